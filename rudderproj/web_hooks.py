"""What apps plug into the web process, which must not import them: work at its end, and the form of its refusals.

Owns the two lists. Must never run anything itself at import.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

AtStop = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. `headers` may repeat a name; Content-Length is added by the server."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


Refuse = Callable[[str, int, str], Answer | None]

_at_stop: list[AtStop] = []
_refuse: list[Refuse] = []


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
        headers.append(("retry-after", str(RETRY_AFTER_SECONDS)))
    return Answer(status, headers, reason.encode())


RETRY_AFTER_SECONDS = 15  # keeps rudder-node, which gives up after 1.5 s otherwise, going through an outage
UNAVAILABLE = "service unavailable"
