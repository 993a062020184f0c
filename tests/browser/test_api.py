"""The API in a browser: its page works without the internet, with a token that was made in the admin."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_a_token_made_in_the_admin_opens_the_api_on_its_page(page: Page) -> None:
    page.goto("/admin/api/apitoken/add/")
    page.get_by_label("Name").fill("from the browser")
    page.get_by_label("read", exact=True).check()
    page.get_by_role("button", name="Save", exact=True).click()
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("rp_")

    page.goto("/api/v1/docs/")
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("Value").fill(secret)
    page.locator(".modal-ux").get_by_role("button", name="Apply credentials").click()
    page.locator(".modal-ux").get_by_role("button", name="Close").click()
    operation = page.locator("#operations-mode-get_mode")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text('"mode": "normal"')
