"""From an answer to progress and rows: what a link remembers of its attempts until the next checkpoint.

A failure stays in memory until the checkpoint, because only then is it known whether it was the user's (a row) or the
destination's (the cursor stands still). Must never touch the database: it only says what shall be written.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from destinations.breaker import Streak
from destinations.checkpoint import AttemptRow, Changes, Row
from destinations.outcome import Outcome, classify, describe, retry_after_seconds
from destinations.plugins.base import Request
from destinations.progress import Place
from destinations.reader import Owed
from destinations.retry import RetryPolicy
from ingest.hashing import alias_of
from rudderproj.http import Answer

POISON = "poison"


@dataclass(frozen=True, slots=True)
class Failure:
    """A user's event that failed, not yet written."""

    owed: Owed
    outcome: Outcome
    request: Request
    answer: Answer
    at: datetime


@dataclass(slots=True)
class Settler:
    """One link's bookkeeping between two checkpoints."""

    policy: RetryPolicy
    streak: Streak
    mask: Callable[[str], str]
    clock: Callable[[], datetime]
    changes: Changes = field(default_factory=Changes)
    failures: dict[tuple[int, str], Failure] = field(default_factory=dict)
    held: Counter[int] = field(default_factory=Counter)  # rows per lane id, as far as this link knows
    settled: int = 0  # events since the last checkpoint
    last_error: str = ""
    asked: dict[str, float] = field(default_factory=dict)  # `Retry-After` in seconds, by user since the last success

    @property
    def retry_after(self) -> float:
        """Seconds that the destination as a whole asked to be left alone for: what every failing user was told."""
        return min(self.asked.values(), default=0.0)

    def answered(self, owed: Owed, request: Request, answer: Answer) -> bool:
        """Note an attempt; True when the user's next event may be sent."""
        outcome = classify(answer)
        if outcome is not Outcome.DELIVERED or owed.attempts:
            self._note_attempt(owed, outcome, answer)
        if outcome is Outcome.DELIVERED:
            self.streak.succeeded()
            self.asked.clear()
            self._delivered(owed)
            return True
        self.last_error = self.mask(describe(answer))
        self.asked[owed.user_key] = retry_after_seconds(answer, self.clock()) or 0.0
        failure = Failure(owed, outcome, request, answer, self.clock())
        if outcome is Outcome.ABORTED:
            self._abort(owed, describe(answer), failure)
            return True
        if outcome is Outcome.REFUSED:
            self.streak.refuse(alias_of(owed.user_key))
        else:
            self.streak.failed(alias_of(owed.user_key), answer.connected)
        self.failures[owed.user] = failure
        return False

    def keep_failures(self) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
        """The failures were the users' own: write them. Returns whose later events become rows, and who may go on."""
        held: list[tuple[int, str]] = []
        free: list[tuple[int, str]] = []
        for user, failure in self.failures.items():
            (held if self._keep(failure) else free).append(user)
        self.failures.clear()
        return held, free

    def wait(self, owed: Owed) -> None:
        """The event stays behind its user's failed one."""
        if owed.is_row:
            return
        self.changes.put(_row(owed, "waiting", ""))
        self._kept(owed)

    def unbuildable(self, owed: Owed, reason: str) -> None:
        """The destination's plugin cannot make a request of it: a dead letter."""
        self._abort(owed, reason)

    def poison(self, owed: Owed, crashes: Sequence[str]) -> None:
        """The event kills whoever touches it: a dead letter, which names the crashes in place of an answer."""
        self._abort(owed, f"{POISON}: killed the worker twice (crash {crashes[-1]})")
        row = self.changes.rows[owed.lane.connection_id, *owed.place, owed.lane.replay]
        self.changes.put(replace(row, response=orjson.dumps({"crashes": list(crashes)}).decode()))

    def filtered(self, owed: Owed, reason: str) -> None:
        """The event is not meant for this destination."""
        owed.lane.progress.filter(owed.place, reason)
        self.settled += 1

    def skip(self, owed: Owed, actor: str) -> None:
        """An operator passed it over."""
        self.settled += 1
        owed.lane.progress.skip(_in_log(owed))
        if not owed.is_row:
            return
        self.held[owed.lane.id] -= 1
        row = _row(owed, "skipped", f"skipped by {actor}", attempts=owed.attempts, first_failed_at=owed.first_failed_at)
        self.changes.put(row)

    def take_changes(self) -> Changes:
        """What the next checkpoint shall write; starts a new collection."""
        taken, self.changes, self.settled = self.changes, Changes(), 0
        return taken

    def _delivered(self, owed: Owed) -> None:
        self.settled += 1
        if owed.is_dead_letter:
            self.changes.recovered.append((owed.lane.connection_id, *owed.place, owed.lane.replay))
        owed.lane.progress.deliver(_in_log(owed))
        if not owed.is_row:
            return
        self.held[owed.lane.id] -= 1
        self.changes.put(_row(owed, "delivered", "", attempts=owed.attempts + 1, first_failed_at=owed.first_failed_at))

    def _keep(self, failure: Failure) -> bool:
        """Write one failure; True when the user's later events must become rows."""
        owed, answer = failure.owed, failure.answer
        if failure.outcome is Outcome.REFUSED:
            self._abort(owed, describe(answer), failure)
            return False
        attempts = owed.attempts + 1
        since = owed.first_failed_at or failure.at
        if self.policy.is_exhausted(attempts, since, failure.at):
            self._abort(owed, f"given up after {attempts} attempts: {describe(answer)}", failure)
            lane = owed.lane
            self.changes.given_up.append((lane.connection_id, lane.replay, lane.number, owed.user_key, since))
            return True  # the followers inherit the window, as rows
        delay = self.policy.delay(attempts, retry_after_seconds(answer, failure.at), random.random)
        self.changes.put(
            _row(
                owed,
                "failed",
                self.mask(describe(answer)),
                attempts=attempts,
                first_failed_at=since,
                next_attempt_at=failure.at + delay,
            )
        )
        if not owed.is_row:
            self._kept(owed)
        return True

    def _kept(self, owed: Owed) -> None:
        owed.lane.progress.settle(owed.place)
        self.held[owed.lane.id] += 1
        self.settled += 1

    def _abort(self, owed: Owed, reason: str, failure: Failure | None = None) -> None:
        """A dead letter: final, with payload, last request and last answer."""
        self.settled += 1
        owed.lane.progress.abort(_in_log(owed))
        if owed.is_row:
            self.held[owed.lane.id] -= 1
        self.changes.put(
            _row(
                owed,
                "aborted",
                self.mask(reason),
                attempts=owed.attempts + (failure is not None),
                first_failed_at=owed.first_failed_at,
                payload=owed.payload,
                request=failure and masked_request(failure.request, self.mask),
                response=failure and masked_answer(failure.answer, self.mask),
            )
        )

    def _note_attempt(self, owed: Owed, outcome: Outcome, answer: Answer) -> None:
        self.changes.attempts.append(
            AttemptRow(
                owed.lane.connection_id,
                *owed.place,
                owed.message_id,
                self.clock(),
                answer.status,
                outcome,
                self.mask(answer.error),
                self.mask(answer.body),
                int(answer.seconds * 1000),
                owed.lane.replay,
            )
        )


def _in_log(owed: Owed) -> Place | None:
    """Its place, if the cursor has to pass it: it did when the event became a row."""
    return None if owed.is_row else owed.place


def _row(owed: Owed, state: str, reason: str, **values: Any) -> Row:
    return Row(
        owed.lane.connection_id,
        owed.lane.number,
        owed.user_key,
        *owed.place,
        owed.day,
        owed.message_id,
        state,
        reason,
        replay=owed.lane.replay,
        **values,
    )


def masked_request(request: Request, mask: Callable[[str], str]) -> str:
    """JSON; the body is left out, since the dead letter keeps the payload."""
    headers = [[name, mask(value)] for name, value in request.headers]
    return orjson.dumps({"method": request.method, "url": mask(request.url), "headers": headers}).decode()


def masked_answer(answer: Answer, mask: Callable[[str], str]) -> str:
    """JSON; status None: there was no answer, for the reason in `error`."""
    return orjson.dumps({"status": answer.status, "error": mask(answer.error), "body": mask(answer.body)}).decode()
