"""The one outbound HTTP client: bounded in time and answer size, no redirects or proxies, guarded by rudderproj.egress.

Must never follow a redirect, raise for what a server does, or log a body.
"""

import asyncio
import math
import time
from datetime import timedelta
from typing import NamedTuple, TypeAlias

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError, RequestTimeoutError
from pyreqwest.http import Url

from rudderproj.egress import EgressRefused, Resolver

ANSWER_BYTES = 4096  # how much of an answer is kept
DRAIN_BYTES = 65536  # how much is read to keep the connection
CONNECT_SECONDS = 5.0  # at most; less where a request has less than twice the time
# A connection that many requests share would be used on long after it is dead. Patient: one that only waits is not.
PING_SECONDS, PONG_SECONDS = timedelta(seconds=5), timedelta(seconds=20)
USER_AGENT = "rudderproj/0.1"


class Answer(NamedTuple):
    """What came of one request. `status` is None when no answer came; then `error` says why."""

    status: int | None
    body: str
    retry_after: str | None
    error: str
    connected: bool  # False: the server was not reached at all
    seconds: float


class HttpClient:
    """Sends requests for one event loop; keeps connections alive per host."""

    def __init__(self, allow: list[str]) -> None:
        self._resolver = Resolver(allow)
        self._clients: dict[_Key, tuple[str, Client]] = {}
        self._sharing: dict[_Key, float] = {}  # whose requests share a connection (HTTP/2): when one was answered last

    async def send(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes,
        timeout_seconds: float,
        usual_seconds: float | None = None,
    ) -> Answer:
        """Send one request and read its answer; never raises for what the network or the server does.

        `usual_seconds`: the timeout when nothing cuts it short. Who cannot be reached in half of it never was.
        """
        started = time.monotonic()
        try:
            target = Url(url)  # the client's own parser: another one could see another host, and check the wrong one
            connect_seconds = min(CONNECT_SECONDS, (usual_seconds or timeout_seconds) / 2)
            request = _Prepared(method, target, headers, body, connect_seconds)
            return await self._send_to_first_reached(request, started, timeout_seconds)
        except EgressRefused as error:
            return _no_answer(str(error), False, started)
        except (PyreqwestError, ValueError) as error:
            if not _connected(error):
                return _no_answer(_reason(error), False, started)
            if isinstance(error, RequestTimeoutError):
                return _no_answer(f"timeout after {timeout_seconds:g} s", True, started)
            return _no_answer(_reason(error), True, started)

    async def close(self) -> None:
        """Close every kept connection."""
        await self._resolver.close()
        for _, client in self._clients.values():
            await client.close()
        self._clients.clear()

    async def _send_to_first_reached(self, request: "_Prepared", started: float, timeout_seconds: float) -> Answer:
        """Try the host's addresses in turn, as long as there is time and none was reached."""
        host, port = request.target.host_str or "", request.target.port_or_known_default or 0
        key = (host, port, request.connect_seconds)
        addresses = self._resolver.known(host, port) or await self._resolve(host, port, timeout_seconds)
        if (known := self._clients.get(key)) and known[0] != addresses[0] and known[0] in addresses:
            addresses = [known[0], *(address for address in addresses if address != known[0])]  # it answered last time
        for address in addresses:
            client = self._client(key, address)
            try:
                answer, shares = await _exchange(client, request, started, timeout_seconds + started - time.monotonic())
                if shares:
                    self._sharing[key] = time.monotonic()
                return answer
            except PyreqwestError as error:
                if _connected(error):  # perhaps it was taken: not to be sent again from here
                    self._leave(key, client, error, started)
                    raise
                if address == addresses[-1] or time.monotonic() >= started + timeout_seconds:
                    self._resolver.forget(host, port)
                    self._clients.pop(key, None)
                    raise
        raise EgressRefused(f"{host} has no address")

    def _leave(self, key: "_Key", client: Client, error: PyreqwestError, started: float) -> None:
        """Where requests share a connection, one that timed out may have met a dead one: the next gets another.

        Not if any was answered since that one `started`.
        """
        is_dead = isinstance(error, RequestTimeoutError) and self._sharing.get(key, math.inf) < started
        if is_dead and (known := self._clients.get(key)) and known[1] is client:
            del self._clients[key]

    async def _resolve(self, host: str, port: int, timeout_seconds: float) -> list[str]:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._resolver.resolve(host, port)
        except TimeoutError:
            raise EgressRefused(f"cannot resolve {host} in {timeout_seconds:g} s") from None

    def _client(self, key: "_Key", address: str) -> Client:
        """A client that connects to the checked address of this host only."""
        known = self._clients.get(key)
        if known and known[0] == address:
            return known[1]
        host, port, connect_seconds = key
        client = (
            ClientBuilder()
            .follow_redirects(False)
            .no_proxy()
            .http2(True)  # where the server offers it, by TLS alone
            .http2_keep_alive_interval(PING_SECONDS)
            .http2_keep_alive_timeout(PONG_SECONDS)
            .user_agent(USER_AGENT)
            .connect_timeout(timedelta(seconds=connect_seconds))
            .resolve(host, address, port)
            .build()
        )
        self._clients[key] = (address, client)
        return client


_Key: TypeAlias = tuple[str, int, float]  # host, port, seconds to connect in


class _Prepared(NamedTuple):
    method: str
    target: Url
    headers: list[tuple[str, str]]
    body: bytes
    connect_seconds: float


async def _exchange(client: Client, prepared: _Prepared, started: float, seconds: float) -> tuple[Answer, bool]:
    """Send once and read the answer; whether others use its connection meanwhile. Raises PyreqwestError."""
    request = client.request(prepared.method, prepared.target).headers(prepared.headers)
    request = request.timeout(timedelta(seconds=seconds))
    async with request.body_bytes(prepared.body).build_streamed() as response:
        content = await response.body_reader.read(DRAIN_BYTES)
        text = bytes(content or b"")[:ANSWER_BYTES].decode(errors="replace").replace("\0", "\ufffd")
        retry_after = response.get_header("retry-after")
        answer = Answer(response.status, text, retry_after, "", True, time.monotonic() - started)
        return answer, response.version == "HTTP/2.0"


def _no_answer(error: str, connected: bool, started: float) -> Answer:
    return Answer(None, "", None, error, connected, time.monotonic() - started)


def _connected(error: Exception) -> bool:
    """Whether the server may have been reached. The class does not say: a late answer is a ConnectTimeoutError too."""
    return not any("(Connect)" in message for message in _causes(error))


def _reason(error: Exception) -> str:
    """The innermost cause in one line, without the URL (it may hold a secret)."""
    return f"{type(error).__name__}: {(_causes(error) or ['no details'])[-1]}"[:300]


def _causes(error: Exception) -> list[str]:
    details = getattr(error, "details", None) or {}
    return [cause.get("message", "") for cause in details.get("causes") or []]
