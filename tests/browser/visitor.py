"""Somebody in the shop: a browser's storage and cache, a page with an SDK, and what it asked the product.

Must never route requests: that would switch the browser's cache off, with which a page begins in an outage.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, CDPSession, Page, Request, Response

from tests.browser.world import KEY, World

SDKS = ("rudderstack", "segment")
PATIENCE_SECONDS = 90.0
LAST = "The last"


@dataclass(frozen=True)
class Asked:
    """A request with events: its path, and the answer's status and Retry-After; None when there was none."""

    path: str
    status: int | None
    retry_after: str | None


class Visitor:
    """One SDK in one browser context, as the product sees it: by its anonymousId."""

    def __init__(
        self, browser: Browser, world: World, sdk: str, options: dict[str, Any] | None = None, key: str = KEY
    ) -> None:
        self.sdk = sdk
        self.asked: list[Asked] = []
        self._asking: set[Request] = set()
        self.tracked: list[str] = []
        self.anonymous_id = ""
        given = {"writeKey": key, "url": world.stack.url, "options": options or {}}
        self._address = f"{world.shop}/{sdk}.html#{quote(json.dumps(given))}"
        self._world = world
        self.context = browser.new_context()
        self.context.on("request", self._asks)
        self.context.on("response", self._answered)
        self.context.on("requestfailed", self._failed)
        self.page: Page = self.context.new_page()
        self._devtools: CDPSession | None = None

    def come(self) -> "Visitor":
        """Load the page; the SDK has begun then, so it had its configuration from somewhere."""
        self.page.goto(self._address)
        return self._begun()

    def reload(self) -> None:
        self.page.reload()
        self._begun()

    def leave(self) -> None:
        """Close the page as a person does."""
        with self.page.expect_event("close"):
            self.page.close(run_before_unload=True)

    def come_back(self) -> None:
        self.page = self.context.new_page()
        self.come()

    def call(self, kind: str, *arguments: Any) -> None:
        """Call the SDK. Returns when the call is made, not when it is sent."""
        self.page.evaluate("([kind, ...given]) => { analytics[kind](...given); }", [kind, *arguments])

    def track(self, *names: str) -> None:
        self.tracked += names
        self.page.evaluate("names => { for (const name of names) analytics.track(name); }", list(names))

    def track_in_vain(self, *names: str) -> None:
        """Track while nobody answers; returns when that has been found out, and nothing is under way.

        A page of Segment's SDK that went at once was seen to lose one of two events, which no request ever brought.
        """
        asked = len(self.asked)
        self.track(*names)
        self.until(lambda: len(self.asked) >= asked + len(names) and not self._asking)

    def is_for_events(self, request: Request) -> bool:
        """Whether a request brings events to the product."""
        return request.method == "POST" and request.url.startswith(self._world.stack.url)

    def send_slowly(self, bytes_a_second: int) -> None:
        """Upload at this speed from now on; -1 for as fast as it goes."""
        conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
        self._devtools = self._devtools or self.context.new_cdp_session(self.page)
        self._devtools.send("Network.emulateNetworkConditions", conditions)

    def arrived(self) -> list[dict[str, Any]]:
        """Every delivery of what this visitor sent, repetitions too."""
        bodies = [delivered.body for delivered in list(self._world.sink.deliveries)]
        return [body for body in bodies if body.get("anonymousId") == self.anonymous_id]

    def names(self) -> list[str]:
        """Of what it tracked, as it was delivered."""
        return [event["event"] for event in self.arrived() if event.get("event") in self.tracked]

    def forget(self) -> None:
        """Look no longer at what it tracked and asked so far, once all of that is answered.

        A delivery may well be seen before the browser has told of the request and of the answer to it.
        """
        self.until(lambda: self.asked and not self._asking)
        self.tracked.clear()
        self.asked.clear()

    def statuses(self) -> set[int | None]:
        """Of the answers to its events so far."""
        return {asked.status for asked in self.asked}

    def until(self, look: Callable[[], Any]) -> None:
        """Wait, while the browser goes on, until something is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not look():
            assert time.monotonic() < deadline, f"{self.sdk}: {self.names()} of {self.tracked} arrived; {self.asked}"
            self.page.wait_for_timeout(100)

    def until_asked(self, count: int = 1) -> None:
        """Wait until so many requests with events have had an answer, or none in vain."""
        self.until(lambda: len(self.asked) >= count)

    def until_arrived(self, *names: str) -> None:
        self.until(lambda: set(names) <= set(self.names()))

    def until_all_arrived(self) -> None:
        """Wait for every event; each arrived once, and so did one more, behind whatever was accepted before it."""
        self.until_arrived(*self.tracked)
        self.track(LAST)
        self.until_arrived(LAST)
        assert sorted(self.names()) == sorted(self.tracked)

    def _begun(self) -> "Visitor":
        self.anonymous_id = self.page.wait_for_function("window.anonymousId").json_value()
        return self

    def _asks(self, request: Request) -> None:
        if self.is_for_events(request):
            self._asking.add(request)

    def _answered(self, answer: Response) -> None:
        if self.is_for_events(answer.request):
            self._note(answer.request, answer.status, answer.headers.get("retry-after"))

    def _failed(self, request: Request) -> None:
        if self.is_for_events(request):
            self._note(request, None, None)

    def _note(self, request: Request, status: int | None, retry_after: str | None) -> None:
        self._asking.discard(request)
        self.asked.append(Asked(urlsplit(request.url).path, status, retry_after))
