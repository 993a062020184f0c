"""The demo page: events survive a pulled plug and a reload, with the official web SDK in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import shop
from tests.browser.product import Product
from tests.sdk import npm

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def counts(page: Page, text: str, patience_ms: int = 60_000) -> None:
    expect(page.locator("#counts")).to_have_text(text, timeout=patience_ms)


def test_events_tracked_without_a_plug_arrive_once_it_is_back(page: Page, running: Product) -> None:
    npm.installed(shop.RUDDERSTACK)
    page.goto("/demo/")
    page.get_by_role("button", name="Track an event").click()
    page.get_by_role("button", name="Identify").click()
    counts(page, "2 tracked, 2 arrived, 0 on the way")
    page.get_by_role("button", name="Pull the plug").click()
    for name in ("Track an event", "Page", "Track an event"):
        page.get_by_role("button", name=name).click()
    counts(page, "5 tracked, 2 arrived, 3 on the way")
    page.reload()
    page.get_by_role("button", name="Track an event").click()
    counts(page, "6 tracked, 2 arrived, 4 on the way")
    page.get_by_role("button", name="Plug it back in").click()
    counts(page, "6 tracked, 6 arrived, 0 on the way", 90_000)
