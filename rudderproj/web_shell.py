"""The RSGI application around Django: bodies are read in the event loop, answers made in threads.

Owns the order body -> thread -> answer and what happens when one of them fails. Must never run Django in the event
loop or block it: slow clients and slow databases must not keep others waiting.
"""

import asyncio
from functools import partial
from typing import Protocol

import structlog

from rudderproj.web_body import BodyCutError, BodyLateError, BodyReader, BodyTooLargeError, Receiving, discard
from rudderproj.web_hooks import UNAVAILABLE, Answer, refusal
from rudderproj.web_pool import Pool, PoolFullError
from rudderproj.web_wsgi import Application, Scope, call, environ

log = structlog.get_logger(__name__)

PROBE_PATHS = frozenset({"/health", "/ready", "/version"})
PROBE_THREADS = 4


class Exchange(Receiving, Protocol):
    """granian's protocol object: the body in, the answer out."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class Shell:
    """What granian calls for every request."""

    def __init__(
        self, application: Application, bodies: BodyReader, server: tuple[str, str], threads: int, waiting: int
    ) -> None:
        self._application = application
        self._bodies = bodies
        self._server = server
        self._threads = threads
        self._waiting = waiting

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pool: Pool[Answer] = Pool("web", self._threads, self._waiting)
        # Probes and preflights need no database, and must be answered also when every other thread waits for it.
        self._spare: Pool[Answer] = Pool("probe", PROBE_THREADS, self._waiting)

    async def __rsgi__(self, scope: Scope, protocol: Exchange) -> None:
        linger = False
        try:
            body = await self._body(scope, protocol)
            answer = await self._answer(scope, body)
        except BodyTooLargeError:
            linger = scope.headers.get("expect") is None
            answer = refusal(scope.path, 413, "request size exceeds max limit")
        except BodyCutError:
            answer = refusal(scope.path, 400, "request body is incomplete or malformed")
        except (BodyLateError, PoolFullError):
            answer = refusal(scope.path, 503, UNAVAILABLE)
        except Exception:
            log.exception("request.failed", path=scope.path)
            answer = refusal(scope.path, 500, "internal server error")
        if linger:
            await discard(protocol)
        protocol.response_bytes(answer.status, answer.headers, answer.body)

    async def _body(self, scope: Scope, protocol: Exchange) -> bytes:
        declared = scope.headers.get("content-length")
        chunked = scope.headers.get("transfer-encoding") is not None
        if not chunked and declared in (None, "0"):
            return b""
        return await self._bodies.read(protocol, None if chunked else int(declared))

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        spare = scope.method == "OPTIONS" or scope.path in PROBE_PATHS
        return await (self._spare if spare else self._pool).run(partial(self._work, scope, body))

    def _work(self, scope: Scope, body: bytes) -> Answer:
        return call(self._application, environ(scope, body, self._server))
