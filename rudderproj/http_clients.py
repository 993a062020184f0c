"""The clients that rudderproj.http keeps: one for each who sends, and where to, so that no two share a connection.

A server takes only so many requests at once in a connection of HTTP/2; what is more waits here, unsent. Where the
requests of one hang, nobody else's may be among those. Owns how long a client is kept: it takes 5 ms to build, 130 KB
of memory, and its connections' file descriptors. Must never close one that may be in use: what is let go of here goes
on until the last of its requests has ended, and its connections with it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from pyreqwest.client import Client, ClientBuilder

IDLE_SECONDS = 90.0  # of a connection, and of a client: by then it has none any more
MOST = 256  # clients: a process that serves a thousand destinations in turn has those of the last ones
# A connection that many requests share would be used on long after it is dead. Patient: one that only waits is not.
PING_SECONDS, PONG_SECONDS = timedelta(seconds=5), timedelta(seconds=20)
USER_AGENT = "rudderproj/0.1"


class Key(NamedTuple):
    """Whose requests go out by a client, and where to."""

    whose: Hashable
    host: str
    port: int
    connect_seconds: float


@dataclass(slots=True)
class _Kept:
    client: Client | None
    address: str
    used_at: float
    answered_at: float | None = None  # the last time where requests share a connection (HTTP/2)


class Clients:
    """Clients by key, those used last at the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def address(self, key: Key) -> str | None:
        """Where its client connects to; None when there is none."""
        kept = self._kept.get(key)
        return kept.address if kept and kept.client else None

    def client(self, key: Key, address: str) -> Client:
        """One that connects to the checked address of this host only."""
        now = self._clock()
        kept = self._kept.setdefault(key, _Kept(None, address, now))
        if kept.client is None or kept.address != address:
            kept.client, kept.address = _build(key, address), address
        kept.used_at = now
        self._kept.move_to_end(key)
        self._forget_idle(now)
        return kept.client

    def answered(self, key: Key) -> None:
        """A request was, on a connection that it shared."""
        if kept := self._kept.get(key):
            kept.answered_at = self._clock()

    def was_answered(self, key: Key, since: float) -> bool:
        """Whether any was since then, as far as it matters: True where requests share no connection."""
        kept = self._kept.get(key)
        return kept is None or kept.answered_at is None or kept.answered_at >= since

    def leave(self, key: Key, client: Client) -> None:
        """The next request gets another client than this one, and another connection."""
        if (kept := self._kept.get(key)) and kept.client is client:
            kept.client = None

    async def close(self) -> None:
        """Close all of them, whoever uses them."""
        for kept in self._kept.values():
            if kept.client:
                await kept.client.close()
        self._kept.clear()

    def _forget_idle(self, now: float) -> None:
        """Let go of what was not used for long, and of what was used the longest ago while there are too many."""
        while next(iter(self._kept.values())).used_at < now - IDLE_SECONDS or len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _build(key: Key, address: str) -> Client:
    return (
        ClientBuilder()
        .follow_redirects(False)
        .no_proxy()
        .http2(True)  # where the server offers it, by TLS alone
        .http2_keep_alive_interval(PING_SECONDS)
        .http2_keep_alive_timeout(PONG_SECONDS)
        .pool_idle_timeout(timedelta(seconds=IDLE_SECONDS))
        .user_agent(USER_AGENT)
        .connect_timeout(timedelta(seconds=key.connect_seconds))
        .resolve(key.host, address, key.port)
        .build()
    )
