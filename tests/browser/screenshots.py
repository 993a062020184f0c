"""The pictures of the documentation: `python -m tests.browser.screenshots FOLDER` starts a demo and takes them."""

import json
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser import chromium, demo, product, sink
from tests.browser.conftest import log_in
from tests.browser.product import Product
from tests.browser.sink import Sink
from tests.stack.harness import eventually

SIZE = ViewportSize(width=1360, height=940)
PAUSED, BACKLOG_BATCHES, BACKLOG_SECONDS = "product-analytics", 9, 45


def main(folder: Path) -> None:
    """Everything, from an empty data folder."""
    path = chromium.executable()
    if path is None:
        raise SystemExit(chromium.MISSING)
    with (
        tempfile.TemporaryDirectory(prefix="rudderproj-demo-") as data,
        sink.listening() as taking,
        product.running(Path(data), ENVIRONMENT_NAME="demo") as running,
        chromium.launched(path) as browser,
    ):
        prepare(running, taking)
        take(browser, running, folder)


def prepare(running: Product, taking: Sink) -> None:
    """Traffic, some of it refused, and a destination that is paused with a backlog."""
    taking.refused.add(demo.BAD_EVENT)
    running.manage("apply", "-", given=json.dumps(demo.configuration(taking)))
    for user, step in demo.JOURNEY:
        running.send(step, user=user)
    demo.send_traffic(running, demo.BATCHES)
    eventually(lambda: set(_owed(running).values()) == {0})
    running.manage("destination", "pause", PAUSED, "--reason", "schema change at the vendor")
    demo.send_traffic(running, BACKLOG_BATCHES, seed=8)
    eventually(lambda: [name for name, events in _owed(running).items() if events] == [PAUSED])
    time.sleep(BACKLOG_SECONDS)


def _owed(running: Product) -> dict[str, int]:
    status = json.loads(running.manage("status", "--json"))
    return {row["name"]: row["pending"] + row["failed"] + row["waiting"] for row in status["destinations"]}


def take(browser: Browser, running: Product, folder: Path) -> None:
    """One picture each."""
    context = browser.new_context(base_url=running.url, viewport=SIZE, device_scale_factor=1.5)
    page = context.new_page()
    log_in(page, running)
    running.manage("shell", "-c", "from tests.browser.demo import fill_history; fill_history()")
    _shoot(page, "/admin/", folder / "dashboard.png")
    page.goto("/admin/destinations/destination/")
    page.get_by_role("link", name="crm", exact=True).click()
    _shoot(page, "", folder / "destination.png")
    page.goto("/admin/destinations/deadletter/")
    page.locator("tbody a").first.click()
    _shoot(page, "", folder / "dead-letter.png")
    page.set_viewport_size({"width": 1000, "height": 440})
    _shoot(page, "/inbox/", folder / "inbox.png")
    context.close()


def _shoot(page: Page, path: str, file: Path) -> None:
    if path:
        page.goto(path)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)
    print(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
