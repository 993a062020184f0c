"""Appending to the event log: concurrent requests of this process share one statement and one commit.

Owns the writer thread and its connection. Must never answer before COMMIT, wait for the broker, or let one request's
bad row fail its neighbours.
"""

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import psycopg2
import structlog
from django.conf import settings
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest import home, partitions
from ingest.signals import events_stored
from ingest.statements import CommitUnconfirmed, NewEvent, Rejection, insert_events, insert_rejections
from rudderproj import metrics

log = structlog.get_logger(__name__)

# A group takes no more requests once it has so many, or so much: what an insert takes is in every answer of its group.
GROUP_EVENTS, GROUP_CHARACTERS = 2000, 4 * 1024 * 1024
REFUSED = (psycopg2.DataError, errors.ProgramLimitExceeded)  # a row's own fault, which no retry mends
LOST = (psycopg2.OperationalError, psycopg2.InterfaceError)  # of a connection that is closed now
RETRY_CONNECT_SECONDS = 0.5  # while the database is away, one request in this time tries it; the others fail at once

_accepted, _duplicate, _rejected = map(metrics.INGESTED_EVENTS.bound, ("accepted", "duplicate", "rejected"))


class LogUnavailable(Exception):
    """The events may not be stored: the caller answers 503 and the client sends them again."""


@dataclass(slots=True)
class _Request:
    events: Sequence[NewEvent]
    rejections: Sequence[Rejection]
    stored: "Future[int]" = field(default_factory=Future)

    @property
    def characters(self) -> int:
        """Of its payloads."""
        return sum(len(event.payload) for event in self.events)


def _insert_timed(raw: Connection, events: Sequence[NewEvent]) -> int:
    started = time.monotonic()
    stored = insert_events(raw, events)
    metrics.COMMIT_SECONDS.add(time.monotonic() - started)
    new = max(stored, 0)
    _accepted(new)
    _duplicate(len(events) - new)
    return stored


def _lanes(group: Iterable[_Request]) -> dict[int, set[int]]:
    """What the events of these requests are in, by source."""
    found: dict[int, set[int]] = {}
    for request in group:
        for event in request.events:
            found.setdefault(event.source_id, set()).add(event.lane)
    return found


class Writer:
    """One thread that commits what many threads append."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._raw: Connection | None = None
        self._away_until = 0.0
        self._thread = threading.Thread(target=self._run, name="event-log-writer", daemon=True)
        self._thread.start()

    def submit(self, events: Sequence[NewEvent], rejections: Sequence[Rejection] = ()) -> "Future[int]":
        """Have both stored; the future is done after COMMIT, or has the exception that append raises."""
        request = _Request(events, rejections)
        self._queue.put(request)
        return request.stored

    def append(self, events: Sequence[NewEvent], rejections: Sequence[Rejection] = ()) -> int:
        """Store both, return after COMMIT how many events were new in the group that carried them.

        Raises LogUnavailable: not stored, or unknown (sending again is safe, duplicates are dropped).
        """
        try:
            return self.submit(events, rejections).result(timeout=settings.ENV["INGEST_COMMIT_TIMEOUT_SECONDS"] + 1)
        except TimeoutError:
            raise LogUnavailable("commit timed out") from None

    def stop(self) -> None:
        """Commit what is queued, close the connection, end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        for group in self._groups():
            try:
                self._store(group)
            except Exception as error:  # noqa: BLE001 - whatever it was, the waiting requests must hear of it
                self._fail(group, error)
        self._disconnect()

    def _groups(self) -> Iterator[list[_Request]]:
        """Yield everything that waits, unless it is too much: while one commit runs, the next group gathers."""
        while (request := self._queue.get()) is not None:
            group, size, characters = [request], len(request.events), request.characters
            while size < GROUP_EVENTS and characters < GROUP_CHARACTERS and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                group.append(following)
                size, characters = size + len(following.events), characters + following.characters
            yield group

    def _store(self, group: list[_Request]) -> None:
        try:
            stored = self._insert([e for r in group for e in r.events], [x for r in group for x in r.rejections])
        except REFUSED as error:
            if len(group) > 1:
                for request in group:
                    self._store_safely([request])
                return
            stored = self._store_one_by_one(group[0], error)
        for request in group:
            request.stored.set_result(stored)
        events_stored.send(sender=Writer, lanes=_lanes(group))

    def _store_safely(self, group: list[_Request]) -> None:
        try:
            self._store(group)
        except Exception as error:  # noqa: BLE001 - the next request of the group must still be tried
            self._fail(group, error)

    def _insert(self, events: list[NewEvent], rejections: list[Rejection]) -> int:
        used = self._raw
        for _ in range(3):
            raw = self._connection()
            try:
                stored = _insert_timed(raw, events) if events else 0
                break
            except errors.DeadlockDetected:
                continue
            except errors.CheckViolation:  # no partition for today: upkeep has not run for days
                partitions.create_ahead(raw)
            except LOST:
                # Perhaps the database was started anew since the last events. What it stored all the same, the second
                # time is a copy.
                if raw is not used or not raw.closed:
                    raise
        else:
            raise LogUnavailable("deadlock")
        self._keep(raw, rejections)
        return stored

    def _keep(self, raw: Connection, rejections: Sequence[Rejection]) -> None:
        """Keep what was refused. What cannot be kept is no reason to refuse anything else."""
        if not rejections:
            return
        try:
            insert_rejections(raw, rejections)
            _rejected(len(rejections))
        except (psycopg2.IntegrityError, *REFUSED) as error:  # its source was deleted a moment ago, for example
            if len(rejections) == 1:
                log.warning("rejection.not_kept", source_id=rejections[0].source_id, error=str(error).strip())
                return
            for rejection in rejections:
                self._keep(raw, [rejection])

    def _store_one_by_one(self, request: _Request, error: psycopg2.Error) -> int:
        """The database refuses a row that validation let through: keep the good ones, reject the bad."""
        log.warning("event.refused_by_database", error=str(error))
        stored, rejections = 0, list(request.rejections)
        for event in request.events:
            try:
                stored += self._insert([event], [])
            except REFUSED as refused:
                reason = f"refused by the database: {refused.diag.message_primary}"
                rejections.append(Rejection(event.source_id, event.message_id[:200], reason, event.payload))
        self._keep(self._connection(), rejections)
        return stored

    def _fail(self, group: list[_Request], error: Exception) -> None:
        known = isinstance(error, psycopg2.Error | LogUnavailable | CommitUnconfirmed)
        log.log(30 if known else 40, "log.append_failed", error=str(error).strip(), exc_info=None if known else error)
        metrics.DATABASE_ERRORS.add(1, "log")
        self._disconnect()
        for request in group:
            if not request.stored.done():
                request.stored.set_exception(LogUnavailable(str(error)))

    def _connection(self) -> Connection:
        if self._raw is not None and not self._raw.closed:
            return self._raw
        if time.monotonic() < self._away_until:
            raise LogUnavailable("database away")
        try:
            self._raw = home.connect("event log", settings.ENV["INGEST_COMMIT_TIMEOUT_SECONDS"])
        except psycopg2.Error:
            self._away_until = time.monotonic() + RETRY_CONNECT_SECONDS
            raise
        return self._raw

    def _disconnect(self) -> None:
        if self._raw is not None:
            self._raw.close()
            self._raw = None


_writer: Writer | None = None
_lock = threading.Lock()


def writer() -> Writer:
    """This process's writer, started on first use (never before a fork)."""
    global _writer
    with _lock:
        if _writer is None:
            _writer = Writer()
        return _writer


def submit(events: Sequence[NewEvent], rejections: Sequence[Rejection] = ()) -> "Future[int]":
    """Writer.submit of this process's writer."""
    return writer().submit(events, rejections)


def append(events: Sequence[NewEvent], rejections: Sequence[Rejection] = ()) -> int:
    """Writer.append of this process's writer."""
    return writer().append(events, rejections)


def stop() -> None:
    """End this process's writer, if it has one."""
    global _writer
    with _lock:
        if _writer is not None:
            _writer.stop()
            _writer = None
