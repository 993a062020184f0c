"""Hearing of events for destinations whose link runs already: the doorbell publishes whom it need not ring.

Owns the process's subscription in the broker and the thread that listens. Must never be relied upon: what was published
is lost without a trace while nobody listens, so links look by themselves too, only less often while this `is_heard`.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import structlog

from destinations import doorbell
from destinations.doorbell import BROKER_AWAY, Lanes
from rudderproj.celery import app

log = structlog.get_logger(__name__)

Waker: TypeAlias = Callable[[Lanes | None], None]

WAIT_SECONDS = 1.0
AGAIN_SECONDS = 1.0  # after the broker was away
PING_SECONDS = 2.0
DEAF_SECONDS = 6.0  # a broker that vanished says nothing, not even that it is gone


class News:
    """For links of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wakers: dict[int, list[Waker]] = {}
        self._over = threading.Event()
        self.is_heard = False  # whether links may rely on being woken
        threading.Thread(target=self._run, name="news", daemon=True).start()

    def close(self) -> None:
        """Listen no longer."""
        self._over.set()

    @contextlib.contextmanager
    def waking(self, destination_id: int, wake: Waker) -> Iterator[None]:
        """Have `wake` called in the loop whenever there may be something for this destination, with the lanes."""
        wakers = self._wakers.setdefault(destination_id, [])
        wakers.append(wake)
        try:
            yield
        finally:
            wakers.remove(wake)
            if not wakers:
                self._wakers.pop(destination_id, None)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._listen()
            except BROKER_AWAY as error:
                log.warning("news.unheard", error=str(error))
            except Exception:  # whatever somebody else publishes there must not end it
                log.exception("news.unreadable")
            finally:
                self.is_heard = False
            self._over.wait(AGAIN_SECONDS)

    def _listen(self) -> None:
        """Pass on what is published until the broker is gone."""
        with app.connection_for_read() as connection:
            client = connection.channel().client  # type: ignore[attr-defined]  # kombu's of Redis
            subscription = client.pubsub()
            with contextlib.closing(subscription):
                subscription.subscribe(doorbell.channel(client))
                heard_at = pinged_at = time.monotonic()
                while not self._over.is_set():
                    message = subscription.get_message(timeout=WAIT_SECONDS)
                    now = time.monotonic()
                    if message is not None:
                        heard_at = now
                        self._hear(message)
                    elif now > heard_at + DEAF_SECONDS:
                        raise TimeoutError(f"the broker did not answer for {DEAF_SECONDS:.0f} s")
                    elif now > max(heard_at, pinged_at) + PING_SECONDS:
                        pinged_at = now
                        subscription.ping()

    def _hear(self, message: dict[str, Any]) -> None:
        """One message of the subscription; its confirmation too, before which something may have been missed."""
        if message["type"] == "subscribe":
            self.is_heard = True
            self._tell(self._wake_all)
        elif message["type"] == "message":
            news = doorbell.News.loaded(message["data"])
            if not self._wakers.keys().isdisjoint(news.destination_ids):
                self._tell(self._wake, news)

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, *args)

    def _wake(self, news: doorbell.News) -> None:
        for destination_id in news.destination_ids:
            for wake in self._wakers.get(destination_id, ()):
                wake(news.lanes)

    def _wake_all(self) -> None:
        self._wake(doorbell.News(list(self._wakers), None))
