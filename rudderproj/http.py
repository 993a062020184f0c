"""The one outbound HTTP client: bounded in time and answer size, no redirects or proxies, guarded by rudderproj.egress.

Must never follow a redirect, raise for what a server does, or log a body.
"""

import asyncio
import time
from collections.abc import Hashable
from datetime import timedelta
from typing import NamedTuple

from pyreqwest.client import Client
from pyreqwest.exceptions import PyreqwestError, RequestTimeoutError
from pyreqwest.http import Url
from pyreqwest.response import Response

from rudderproj.egress import EgressRefused, Resolver
from rudderproj.http_clients import Clients, Key

ANSWER_BYTES = 4096  # how much of an answer is kept
DRAIN_BYTES = 65536  # how much is read to keep the connection
CONNECT_SECONDS = 5.0  # at most; less where a request has less than twice the time


class Answer(NamedTuple):
    """What came of one request. `status` is None when no answer came; then `error` says why.

    With a status, what became of the event is known, and `error` is why there is no `body`, if there is none to read.
    """

    status: int | None
    body: str
    retry_after: str | None
    error: str
    connected: bool  # False: the server was not reached at all
    seconds: float


class HttpClient:
    """Sends requests for one event loop; keeps connections alive, of each who sends and for each host."""

    def __init__(self, allow: list[str]) -> None:
        self._resolver = Resolver(allow)
        self._clients = Clients()

    async def send(
        self,
        whose: Hashable,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes,
        timeout_seconds: float,
        usual_seconds: float | None = None,
    ) -> Answer:
        """Send one request and read its answer; never raises for what the network or the server does.

        `whose`: a destination's id, or whatever tells apart who must not be held up by one another.
        `usual_seconds`: the timeout when nothing cuts it short. Who cannot be reached in half of it never was.
        """
        started = time.monotonic()
        try:
            target = Url(url)  # the client's own parser: another one could see another host, and check the wrong one
            connect_seconds = min(CONNECT_SECONDS, (usual_seconds or timeout_seconds) / 2)
            key = Key(whose, target.host_str or "", target.port_or_known_default or 0, connect_seconds)
            request = _Prepared(method, target, headers, body, key)
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
        await self._clients.close()

    async def _send_to_first_reached(self, request: "_Prepared", started: float, timeout_seconds: float) -> Answer:
        """Try the host's addresses in turn, as long as there is time and none was reached."""
        key = request.key
        addresses = self._resolver.known(key.host, key.port) or await self._resolve(key, timeout_seconds)
        known = self._clients.address(key)
        if known in addresses[1:]:  # it answered last time
            addresses = [known, *(address for address in addresses if address != known)]
        for address in addresses:
            client = self._clients.client(key, address)
            try:
                answer, shares = await _exchange(client, request, started, timeout_seconds + started - time.monotonic())
                if shares:
                    self._clients.answered(key)
                return answer
            except PyreqwestError as error:
                if _connected(error):  # perhaps it was taken: not to be sent again from here
                    self._leave(key, client, error, started)
                    raise
                if address == addresses[-1] or time.monotonic() >= started + timeout_seconds:
                    self._resolver.forget(key.host, key.port)
                    self._clients.leave(key, client)
                    raise
        raise EgressRefused(f"{key.host} has no address")

    def _leave(self, key: Key, client: Client, error: PyreqwestError, started: float) -> None:
        """Where requests share a connection, one that timed out may have met a dead one: the next gets another.

        Not if any was answered since that one `started`.
        """
        if isinstance(error, RequestTimeoutError) and not self._clients.was_answered(key, since=started):
            self._clients.leave(key, client)

    async def _resolve(self, key: Key, timeout_seconds: float) -> list[str]:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._resolver.resolve(key.host, key.port)
        except TimeoutError:
            raise EgressRefused(f"cannot resolve {key.host} in {timeout_seconds:g} s") from None


class _Prepared(NamedTuple):
    method: str
    target: Url
    headers: list[tuple[str, str]]
    body: bytes
    key: Key


async def _exchange(client: Client, prepared: _Prepared, started: float, seconds: float) -> tuple[Answer, bool]:
    """Send once and read the answer; whether others use its connection meanwhile. Raises PyreqwestError."""
    request = client.request(prepared.method, prepared.target).headers(prepared.headers)
    # Nothing of the body is waited for before there is a status.
    request = request.timeout(timedelta(seconds=seconds)).streamed_read_buffer_limit(0)
    async with request.body_bytes(prepared.body).build_streamed() as response:
        text, problem = await _text(response)
        answer = Answer(response.status, text, _retry_after(response), problem, True, time.monotonic() - started)
        return answer, response.version == "HTTP/2.0"


async def _text(response: Response) -> tuple[str, str]:
    """The body's beginning, and why it cannot be read: cut off, late, no gzip after all.

    That is no reason to send again: who answers 200 has taken the event.
    """
    if response.get_header("content-length") == "0":
        return "", ""
    try:
        content = await response.body_reader.read(DRAIN_BYTES)
    except PyreqwestError as error:
        return "", f"unreadable body: {_reason(error)}"
    return bytes(content or b"")[:ANSWER_BYTES].decode(errors="replace").replace("\0", "\ufffd"), ""


def _retry_after(response: Response) -> str | None:
    try:
        return response.get_header("retry-after")
    except ValueError:  # bytes that are no ASCII
        return None


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
