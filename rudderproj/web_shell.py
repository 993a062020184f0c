"""The RSGI application around Django: bodies are read in the event loop, answers made in threads.

Owns the order body -> thread -> what the answer waits for -> answer, and what happens when one of them fails. Must
never run Django in the event loop or block it: slow clients and slow databases must not keep others waiting.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import structlog

from rudderproj.metrics import observe_request
from rudderproj.web_body import BodyCutError, BodyLateError, BodyReader, BodyTooLargeError, Receiving, discard
from rudderproj.web_hooks import UNAVAILABLE, Answer, Wait, refusal
from rudderproj.web_pool import Pool, WorkLateError
from rudderproj.web_wsgi import Application, Scope, call, environ, translated

log = structlog.get_logger(__name__)

PROBE_PATHS = frozenset({"/health", "/ready", "/version"})
ALWAYS = frozenset({"/health", "/version"})  # answered as long as there is a process
PROBE_THREADS = 4
FINISH_SECONDS = 0.02
ANSWER_SECONDS = 20.0  # for a page that waits for a database that hangs


class BusyError(Exception):
    """As many requests as may be in work are."""


class Exchange(Receiving, Protocol):
    """granian's protocol object: the body in, the answer out."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class Shell:
    """What granian calls for every request."""

    def __init__(
        self,
        application: Application,
        bodies: BodyReader,
        server: tuple[str, str],
        threads: int,
        max_requests: int,
        wait_seconds: float,
    ) -> None:
        self._application = application
        self._bodies = bodies
        self._server = server
        self._threads = threads
        self._max_requests = max_requests
        self._wait_seconds = wait_seconds
        self._in_work = 0
        self._begun = 0  # requests that may be answered still, though they be slow
        self._draining = False

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pool: Pool[Answer] = Pool("web", self._threads, ANSWER_SECONDS)
        # Probes and preflights need no database, and must be answered also when every other thread waits for it.
        self._spare: Pool[Answer] = Pool("probe", PROBE_THREADS, ANSWER_SECONDS)
        self._sweeper = loop.create_task(self._bodies.sweep())

    async def __rsgi__(self, scope: Scope, protocol: Exchange) -> None:
        started = self._loop.time()
        is_late = self._draining and scope.method != "OPTIONS" and scope.path not in ALWAYS
        self._begun += not is_late
        try:
            body = await self._body(scope, protocol)
            answer = _turned_away(scope) if is_late else await self._answer(scope, body)
        except BodyTooLargeError as error:
            await _let_finish(scope, error.rest)
            answer = refusal(scope.path, 413, "request size exceeds max limit")
        except BodyCutError:
            answer = refusal(scope.path, 400, "request body is incomplete or malformed")
        except BodyLateError as error:
            await _let_finish(scope, error.rest)
            answer = refusal(scope.path, 503, UNAVAILABLE)
        except (BusyError, WorkLateError):
            answer = refusal(scope.path, 503, UNAVAILABLE)
        except Exception:
            log.exception("request.failed", path=scope.path)
            answer = refusal(scope.path, 500, "internal server error")
        finally:
            self._begun -= not is_late
        protocol.response_bytes(answer.status, answer.headers, answer.body)
        observe_request(scope.path, answer.status, self._loop.time() - started)

    async def drain(self) -> None:
        """From now on tell who comes to come back later; return when all who came before are answered."""
        self._draining = True
        while self._begun:
            await asyncio.sleep(FINISH_SECONDS)

    async def finish(self) -> None:
        """Return when nothing is in work any more, also for clients that have gone away."""
        while self._in_work:
            await asyncio.sleep(FINISH_SECONDS)

    async def _body(self, scope: Scope, protocol: Exchange) -> bytes:
        headers = scope.headers
        declared = headers.get("content-length")
        if declared is None and headers.get("transfer-encoding") is None:
            return b""
        return await self._bodies.read(protocol, None if declared is None else int(declared))

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        work = partial(self._work, scope, body)
        if scope.method == "OPTIONS" or scope.path in PROBE_PATHS:
            return await self._spare.run(work)
        if self._in_work >= self._max_requests:
            raise BusyError
        self._in_work += 1
        self._bodies.hold(len(body))
        try:
            answer = await self._pool.run(work)
            return answer if answer.wait is None else await self._after(answer, answer.wait)
        finally:
            self._bodies.hold(-len(body))
            self._in_work -= 1

    def _work(self, scope: Scope, body: bytes) -> Answer:
        return call(self._application, environ(scope, body, self._server))

    async def _after(self, answer: Answer, wait: Wait) -> Answer:
        self._bodies.hold(wait.weight_bytes)
        try:
            await self._done(wait.done)
            return answer
        except Exception as error:  # noqa: BLE001 - whose work it is judges it
            return await self._spare.run(partial(_failed, wait, error))
        finally:
            self._bodies.hold(-wait.weight_bytes)

    async def _done(self, future: "Future[Any]") -> None:
        """Raises what the future raises, or TimeoutError."""
        waiter = self._loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        future.add_done_callback(lambda _: self._loop.call_soon_threadsafe(wake))
        timer = self._loop.call_later(self._wait_seconds, wake)
        await waiter
        timer.cancel()
        future.result(0)


async def _let_finish(scope: Scope, rest: AsyncIterator[bytes] | None) -> None:
    """Throw away what a refused client still sends, unless it waits to be asked for it."""
    if rest is not None and scope.headers.get("expect") is None:
        await discard(rest)


def _turned_away(scope: Scope) -> Answer:
    """To a request that comes while the process ends; on another connection another process may answer."""
    answer = refusal(scope.path, 503, UNAVAILABLE)
    return replace(answer, headers=[*answer.headers, ("connection", "close")])


def _failed(wait: Wait, error: Exception) -> Answer:
    return translated(wait.failed(error))
