"""Fixtures: a browser, the whole product, and a page that is logged in and fails its test for what went wrong in it."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium, product, shop, sink, world
from tests.browser.product import PASSWORD, USER, Product
from tests.browser.sink import Sink
from tests.browser.visitor import Visitor
from tests.browser.world import World
from tests.sdk import npm

PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.executable()
    if path is None:
        pytest.skip(chromium.MISSING)
    with chromium.launched(path) as found:
        yield found


@pytest.fixture(scope="session")
def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product.running(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="session")
def login(browser: Browser, running: Product) -> Any:
    """The cookies of somebody who logged in by hand."""
    context = browser.new_context()
    page = context.new_page()
    log_in(page, running)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def taking() -> Iterator[Sink]:
    """A destination to send to."""
    with sink.listening() as found:
        yield found


@pytest.fixture(scope="session")
def shop_world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The product, and pages of another origin with the official web SDKs."""
    for folder in (shop.RUDDERSTACK, shop.SEGMENT):
        npm.installed(folder)
    with world.running(tmp_path_factory.mktemp("shop")) as found:
        yield found


@pytest.fixture
def visitor(browser: Browser, shop_world: World) -> Iterator[Callable[..., Visitor]]:
    """Visitors of the shop: what this returns is called with the name of an SDK, and more that Visitor takes."""
    found: list[Visitor] = []

    def make(sdk: str, **more: Any) -> Visitor:
        found.append(Visitor(browser, shop_world, sdk, **more))
        return found[-1]

    yield make
    for one in found:
        one.context.close()


@pytest.fixture
def page(browser: Browser, running: Product, login: Any) -> Iterator[Page]:
    """A page, logged in. Afterwards: nothing failed, no script went wrong, no other host was asked."""
    context = browser.new_context(storage_state=login, base_url=running.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    found = context.new_page()
    wrong = watched(found, running)
    yield found
    context.close()
    assert wrong == []


def log_in(page: Page, running: Product) -> None:
    """Through the form."""
    page.goto(f"{running.url}/admin/")
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{running.url}/admin/")


def watched(page: Page, running: Product) -> list[str]:
    """What goes wrong in a page from now on."""
    wrong: list[str] = []
    here = urlsplit(running.url).netloc
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)

    def asked(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != here:
            wrong.append(f"asked another host: {url}")

    page.on("request", lambda request: asked(request.url))
    return wrong
