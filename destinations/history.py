"""History: where every event was, sampled once each interval in the whole deployment, and read back over time.

Owns the table of samples. Whoever needs fresh numbers reads the last sample instead of counting: many readers cost no
more than one. Must never go on counting without a rest where that takes long: twenty times as long as the shorter of
the last two counts, since one that a failover held up says nothing of the work. What was counted while the clock was
ahead is of no time that was: once it is put back, that holds nobody up, and is removed.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from destinations import tallies
from destinations.models import Connection, Sample

INTERVAL_SECONDS = 10
REST = 20  # counting that takes a second is not repeated for so many
ABANDONED_SECONDS = 60  # who has not finished counting by then never will
FINE_HOURS = 2  # older samples are thinned out to one a minute
FINE_SLOTS = 60 // INTERVAL_SECONDS

_CLAIM = """
INSERT INTO destinations_sample (slot, taken_at)
SELECT current.slot, now() FROM (SELECT floor(extract(epoch FROM now()) / %(interval)s)::bigint AS slot) current
WHERE NOT EXISTS (
    SELECT FROM (
        SELECT taken_at, took_seconds,
            lead(took_seconds) OVER (PARTITION BY took_seconds IS NULL ORDER BY slot DESC) AS before_seconds
        FROM destinations_sample WHERE slot BETWEEN current.slot - %(slots)s AND current.slot + 1
    ) s WHERE s.taken_at + make_interval(secs => CASE WHEN s.took_seconds IS NULL THEN %(abandoned)s
        ELSE %(rest)s * least(s.took_seconds, s.before_seconds) END) > now())
ON CONFLICT DO NOTHING RETURNING slot
"""

_PRUNE = """
DELETE FROM destinations_sample s
WHERE s.taken_at < now() - make_interval(hours => %(hours)s)
   OR s.slot > floor(extract(epoch FROM now()) / %(interval)s) + 1
   OR s.taken_at < now() - make_interval(hours => %(fine_hours)s) AND EXISTS (
    SELECT FROM destinations_sample earlier
    WHERE earlier.slot >= s.slot / %(fine)s * %(fine)s AND earlier.slot < s.slot AND earlier.counts IS NOT NULL)
"""

_KEPT = "SELECT taken_at, counts::text FROM destinations_sample WHERE counts IS NOT NULL"
_SERIES = """
SELECT DISTINCT ON (step) taken_at, counts::text, floor(extract(epoch FROM taken_at) / %(step)s) AS step
FROM destinations_sample
WHERE slot >= floor(extract(epoch FROM %(since)s::timestamptz) / %(interval)s) AND taken_at >= %(since)s
  AND counts IS NOT NULL
ORDER BY step, taken_at DESC
"""


@dataclass(slots=True)
class Figures(tallies.Terms):
    """A connection's or destination's terms, and the ages of the oldest event that is owed, and that is pending."""

    oldest_age_seconds: float = 0.0
    oldest_pending_age_seconds: float = 0.0

    @property
    def values(self) -> tuple[Any, ...]:
        """All of them, in the order of the fields."""
        return tuple(_values(self))

    @classmethod
    def total(cls, parts: Iterable["Figures"]) -> "Figures":
        """All of them together: sums, and the largest age."""
        rows = [part.values for part in parts] or [cls().values]
        *terms, ages, pending_ages = zip(*rows, strict=True)
        return cls(*[*(sum(term) for term in terms), max(ages), max(pending_ages)])


def _oldest_of(figures: Figures) -> float:
    return figures.oldest_age_seconds if figures.pending else 0.0


_values = attrgetter(*(term.name for term in fields(Figures)))


@dataclass(frozen=True, slots=True)
class OfConnection:
    """One connection's figures."""

    connection_id: int
    source_id: int
    destination_id: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at `at`. `stored`: events the log ever took, by source id, whatever they are connected to."""

    at: datetime
    stored: dict[int, int] = field(default_factory=dict)
    connections: list[OfConnection] = field(default_factory=list)

    @property
    def total(self) -> Figures:
        """All connections together: an event counts once for each destination it is owed to."""
        return Figures.total(row.figures for row in self.connections)

    def by_destination(self) -> dict[int, Figures]:
        """The figures of each connected destination, by its id."""
        parts: dict[int, list[Figures]] = {}
        for row in self.connections:
            parts.setdefault(row.destination_id, []).append(row.figures)
        return {destination_id: Figures.total(found) for destination_id, found in parts.items()}

    def switched_on(self) -> "Snapshot":
        """Of the connections alone that nobody has switched off by now: what others are owed waits for their return.

        Raises django.db.DatabaseError.
        """
        on = set(Connection.objects.filter(enabled=True, destination__enabled=True).values_list("pk", flat=True))
        return replace(self, connections=[row for row in self.connections if row.connection_id in on])

    def as_json(self) -> dict[str, Any]:
        """As the table keeps it. What an older release would not know stands by itself: it may read beside this one."""
        rows = [[r.connection_id, r.source_id, r.destination_id, r.figures.values[:-1]] for r in self.connections]
        ages = [r.figures.oldest_pending_age_seconds for r in self.connections]
        stored = {str(key): value for key, value in self.stored.items()}
        return {"stored": stored, "connections": rows, "pending_ages": ages}

    @classmethod
    def read(cls, at: datetime, text: str) -> "Snapshot":
        """From as_json, as text."""
        value = orjson.loads(text)
        rows = [OfConnection(c, s, d, Figures(*figures)) for c, s, d, figures in value["connections"]]
        ages = value.get("pending_ages")  # none in an older release's, which told the one for the other
        for row, age in zip(rows, ages or [_oldest_of(row.figures) for row in rows], strict=True):
            row.figures.oldest_pending_age_seconds = age
        return cls(at, {int(key): events for key, events in value["stored"].items()}, rows)


def sample() -> bool:
    """Count everything and keep it, unless somebody did in this interval. Raises django.db.DatabaseError."""
    parameters = {"interval": INTERVAL_SECONDS, "rest": REST, "abandoned": ABANDONED_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, parameters | {"slots": REST * ABANDONED_SECONDS // INTERVAL_SECONDS})
        claimed = cursor.fetchone()
    if claimed is None:
        return False
    started = time.monotonic()
    counted = _count()
    Sample.objects.filter(slot=claimed[0]).update(
        taken_at=counted.at, took_seconds=time.monotonic() - started, counts=counted.as_json()
    )
    _prune()
    return True


def latest() -> Snapshot | None:
    """The last sample there is. Raises django.db.DatabaseError."""
    return next(iter(newest(1)), None)


def newest(most: int) -> list[Snapshot]:
    """The last samples, the newest first. Raises django.db.DatabaseError."""
    return list(_read(f"{_KEPT} ORDER BY slot DESC LIMIT %(most)s", {"most": most}))


def first_since(moment: datetime) -> Snapshot | None:
    """The oldest sample taken since then. Raises django.db.DatabaseError."""
    slot = int(moment.timestamp()) // INTERVAL_SECONDS
    return next(_read(f"{_KEPT} AND slot >= %(slot)s ORDER BY slot LIMIT 1", {"slot": slot}), None)


def at_most(age_seconds: float) -> Snapshot:
    """The last sample, or a new one if that is older and nobody else is taking one: upkeep may not be running."""
    last_at = Sample.objects.filter(counts__isnull=False).aggregate(last=Max("taken_at"))["last"]
    age = None if last_at is None else (timezone.now() - last_at).total_seconds()
    if age is None or age > age_seconds or age < -INTERVAL_SECONDS:  # of a time to come: the clock was put back
        sample()
    return latest() or Snapshot(timezone.now())


def series(since: datetime, step_seconds: int) -> list[Snapshot]:
    """The last sample of each step since then, oldest first. Samples are 10 s apart, and a minute after two hours.

    Rates are differences of neighbours; a sum falls when a connection is removed. Raises django.db.DatabaseError.
    """
    return list(_read(_SERIES, {"since": since, "step": step_seconds, "interval": INTERVAL_SECONDS}))


def _count() -> Snapshot:
    tallies.roll_up("history")
    with tallies.one_snapshot() as now:
        counts = tallies.count()
        connections = Connection.objects.order_by("pk").values_list("pk", "source_id", "destination_id")
        return Snapshot(
            now, tallies.stored(), [OfConnection(*row, _figures(counts[row[0]], now)) for row in connections]
        )


def _figures(counts: tallies.Counts, now: datetime) -> Figures:
    terms = {term.name: getattr(counts, term.name) for term in fields(tallies.Terms)}
    return Figures(
        **terms,
        oldest_age_seconds=_age(counts.oldest_at, now),
        oldest_pending_age_seconds=_age(counts.oldest_pending_at, now),
    )


def _age(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else round(max(0.0, (now - at).total_seconds()), 3)


def _prune() -> None:
    fine = {"fine_hours": FINE_HOURS, "fine": FINE_SLOTS}
    parameters = {"hours": settings.ENV["SAMPLE_HOURS"], "interval": INTERVAL_SECONDS, **fine}
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE, parameters)


def _read(query: str, parameters: dict[str, Any]) -> Iterator[Snapshot]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        for at, text, *_ in cursor.fetchall():
            yield Snapshot.read(at, text)
