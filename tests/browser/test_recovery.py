"""Degraded mode, the channels that tell of it, and crash reports, as an operator sees them in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.product import Product
from tests.stack.harness import Recorded, eventually
from tests.stubs.providers import PAGERDUTY_KEY, PagerDuty

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def pagerduty() -> Iterator[PagerDuty]:
    found = PagerDuty()
    yield found
    found.close()


def make_channel(page: Page, pagerduty: PagerDuty) -> None:
    page.goto("/admin/alerts/channel/add/")
    page.locator('a[href="?provider=pagerduty"]').click()
    page.get_by_label("Name").fill("on call")
    page.get_by_label("Integration key").fill(PAGERDUTY_KEY)
    page.get_by_label("Address").fill(pagerduty.environ["PAGERDUTY_EVENTS_URL"])
    page.get_by_role("button", name="Save", exact=True).click()


def switch(page: Page, button: str, reason: str) -> None:
    page.goto("/admin/alerts/mode/1/change/")
    page.get_by_role("button", name=button).click()
    page.get_by_label("Why").fill(reason)
    page.get_by_role("button", name=button).click()


def test_a_channel_is_made_and_tried_and_hears_of_degraded_mode_and_of_its_end(
    page: Page, running: Product, pagerduty: PagerDuty
) -> None:
    make_channel(page, pagerduty)
    page.goto("/admin/alerts/channel/")
    page.get_by_role("link", name="on call", exact=True).click()
    assert PAGERDUTY_KEY not in page.content()
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_text("accepted").first).to_be_visible()
    assert [body["event_action"] for body in pagerduty.accepted] == ["trigger", "resolve"]

    switch(page, "Stop forwarding", "a look at the database")
    for path in ("/admin/", "/admin/ingest/source/", "/admin/destinations/destination/"):
        page.goto(path)
        expect(page.get_by_text("a look at the database").first).to_be_visible()
    running.send("While Degraded")
    eventually(lambda: len(pagerduty.triggers("degraded_mode")) == 1)
    switch(page, "Forward again", "looked at")
    (told,) = pagerduty.triggers("degraded_mode")
    eventually(lambda: len(pagerduty.resolves(told["dedup_key"])) == 1)
    page.goto("/admin/")
    expect(page.get_by_text("a look at the database")).to_have_count(0)


def test_a_crash_can_be_read_and_downloaded(page: Page, running: Product, tmp_path: Path) -> None:
    guard = Recorded(Path(running.environ["DATA_DIR"]) / "run").pid("beat")
    psutil.Process(guard).children()[0].kill()
    page.goto("/admin/alerts/crash/")
    row = page.locator("#result_list tbody tr", has_text="beat").first

    def is_there() -> bool:
        page.reload()
        return row.is_visible()

    eventually(is_there)
    row.get_by_role("link").first.click()
    expect(page.get_by_text("SIGKILL").first).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("link", name=re.compile("download", re.IGNORECASE)).click()
    downloading.value.save_as(tmp_path / "report.txt")
    text = (tmp_path / "report.txt").read_text()
    assert "SIGKILL" in text
    assert downloading.value.suggested_filename.startswith("crash-beat-")
