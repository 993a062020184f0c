"""What apps tell the web process, which must not import them: work at its start and end, the form of its refusals,
answers that wait.

Owns the registrations. Must never run anything itself at import.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

UNAVAILABLE = "service unavailable"
_CAN_WAIT = "rudderproj.can_wait"


@dataclass(frozen=True, slots=True)
class Wait:
    """What an answer waits for, holding `weight_bytes` of memory; `failed` makes the answer if that raises."""

    done: "Future[Any]"
    failed: Callable[[Exception], HttpResponse]
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. `headers` may repeat a name; Content-Length is added by the server."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    wait: Wait | None = None


AtStart = Callable[[], None]
AtStop = Callable[[], None]
Refuse = Callable[[str, int, str], Answer | None]

_at_start: list[AtStart] = []
_at_stop: list[AtStop] = []
_refuse: list[Refuse] = []


def retry_after() -> str:
    """The `Retry-After` of every 503. rudder-node, which else gives up after 1.5 s, comes back three times so late."""
    return str(settings.ENV["RETRY_AFTER_SECONDS"])


def at_start(work: AtStart) -> None:
    """Have `work` called once in the web process, before the first request."""
    if work not in _at_start:
        _at_start.append(work)


def run_at_start() -> None:
    """Call everything registered with at_start, in order of registration."""
    for work in _at_start:
        work()


def at_stop(work: AtStop) -> None:
    """Have `work` called once, after the last request was answered and before the process ends."""
    if work not in _at_stop:
        _at_stop.append(work)


def run_at_stop() -> None:
    """Call everything registered with at_stop, in order of registration."""
    for work in _at_stop:
        work()


def refuse_with(refuse: Refuse) -> None:
    """Let `refuse(path, status, reason)` shape the answers that never reach Django; None leaves it to others."""
    if refuse not in _refuse:
        _refuse.append(refuse)


def refusal(path: str, status: int, reason: str) -> Answer:
    """The answer to a request that is turned away before Django sees it."""
    for refuse in _refuse:
        if answer := refuse(path, status, reason):
            return answer
    headers = [("content-type", "text/plain; charset=utf-8")]
    if status == 503:
        headers.append(("retry-after", retry_after()))
    return Answer(status, headers, reason.encode())


def can_wait(environ: dict[str, Any]) -> None:
    """Mark a request whose answer our web process holds back until what it waits for is done."""
    environ[_CAN_WAIT] = True


def answer_after(request: HttpRequest, response: HttpResponse, wait: Wait, timeout_seconds: float) -> HttpResponse:
    """`response`, sent only once `wait.done` is, or what `wait.failed` makes of its exception.

    Under our web process no thread is held meanwhile; under any other WSGI server, and in tests, this call waits.
    """
    if _CAN_WAIT in request.META:
        response.rudderproj_wait = wait  # type: ignore[attr-defined]
        return response
    try:
        wait.done.result(timeout_seconds)
    except Exception as error:  # noqa: BLE001 - `failed` judges it
        return wait.failed(error)
    return response


def wait_of(response: object) -> Wait | None:
    """What answer_after attached."""
    return getattr(response, "rudderproj_wait", None)
