"""How long the event log is kept: old days are dropped whole, and which day may go.

A day goes when it is older than RETENTION_DAYS, everything in it is tallied, and nobody needs it. Who needs days
registers here; with RETENTION_POLICY=drop they are made to give up what they are still owed, and it is counted.
Must never drop today or yesterday (duplicates are looked for there), or a day behind one that is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import structlog
from django.conf import settings
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest import partitions, tally
from ingest.partitions import Partition, PartitionBusy

log = structlog.get_logger(__name__)

KEEP, DROP = "keep", "drop"
SHOWN_MOST = 10  # names in one line of the log
NOT_OWNER = "the database role must own the table ingest_event and its partitions"


@dataclass(frozen=True, slots=True)
class Need:
    """Somebody still needs events of `day`, the oldest one it needs: they are not delivered, or being replayed."""

    day: date
    by: str  # for people: web -> hook
    because: str  # pending, held, …


@dataclass(frozen=True, slots=True)
class Keeper:
    """Those who need days.

    `needs` says who needs days up to and including one, and is cheap however long the log is. `give_up` settles all
    that is owed of days up to and including one, so that nobody needs them; returns how many events that were.
    """

    needs: Callable[[Connection, date], Sequence[Need]]
    give_up: Callable[[Connection, date], int]


_keepers: dict[str, Keeper] = {}


def keep_for(name: str, keeper: Keeper) -> None:
    """Have no day dropped that this keeper needs. A name registered again is replaced."""
    _keepers[name] = keeper


def needs(raw: Connection, through: date) -> list[Need]:
    """Who needs days up to and including this one, the oldest day first."""
    found = [need for keeper in _keepers.values() for need in keeper.needs(raw, through)]
    return sorted(found, key=lambda need: (need.day, need.by, need.because))


def nearing(raw: Connection) -> list[Need]:
    """Who needs days that are old enough to go, or will be in RETENTION_WARNING_DAYS: a person should know."""
    soon = _last_old_day(raw) + timedelta(days=settings.ENV["RETENTION_WARNING_DAYS"])
    return needs(raw, min(soon, partitions.today(raw) - timedelta(days=2)))


def drop_old(raw: Connection) -> int:
    """Drop what may go, the oldest day first; returns how many days went. What is in the way is logged."""
    dropped = 0
    try:
        for partition in partitions.unfinished(raw):
            dropped += _drop(raw, partition)
        for partition in _old(raw):
            if not _may_go(raw, partition.day):
                break
            dropped += _drop(raw, partition)
    except PartitionBusy as busy:
        log.info("partition.drop_waited", because=str(busy))
    except errors.InsufficientPrivilege as error:
        log.warning("partition.drop_refused", error=str(error).strip(), hint=NOT_OWNER)
    if dropped:
        _prune_milestones(raw)
    return dropped


def look(raw: Connection) -> list[str]:
    """What of the log is to go and what is kept although it is old, and why, a line a day."""
    lines = [f"{partition.day} to be dropped: taken off the log already" for partition in partitions.unfinished(raw)]
    for partition in _old(raw):
        if not tally.covers(raw, partition.day):
            lines.append(f"{partition.day} kept: not tallied yet")
        elif found := needs(raw, partition.day):
            who = ", ".join(f"{need.by} ({need.because} since {need.day})" for need in found)
            if settings.ENV["RETENTION_POLICY"] == DROP:
                lines.append(f"{partition.day} to be dropped, and given up what is owed to {who}")
            else:
                lines.append(f"{partition.day} kept: needed by {who}")
        else:
            lines.append(f"{partition.day} to be dropped")
    return lines


def warn(raw: Connection) -> int:
    """Log who needs days that are about to go; returns how many do."""
    found = nearing(raw)
    if found:
        log.warning(
            "retention.neared",
            policy=settings.ENV["RETENTION_POLICY"],
            oldest_day=str(found[0].day),
            goes_on=str(goes_on(found[0].day)),
            needed_by=[f"{need.by} ({need.because} since {need.day})" for need in found[:SHOWN_MOST]],
            count=len(found),
        )
    return len(found)


def goes_on(day: date) -> date:
    """The day on which this one is old enough to be dropped."""
    return day + timedelta(days=settings.ENV["RETENTION_DAYS"] + 1)


def _last_old_day(raw: Connection) -> date:
    return partitions.today(raw) - timedelta(days=settings.ENV["RETENTION_DAYS"] + 1)


def _old(raw: Connection) -> Iterator[Partition]:
    last = _last_old_day(raw)
    return (partition for partition in partitions.attached(raw) if partition.day <= last)


def _may_go(raw: Connection, day: date) -> bool:
    """Whether nobody needs this day or any before; with the policy `drop` that is seen to."""
    if not tally.covers(raw, day):
        log.warning("partition.kept", day=str(day), because="not tallied yet")
        return False
    if not needs(raw, day):
        return True
    if settings.ENV["RETENTION_POLICY"] == KEEP:
        return False  # `warn` says so
    for name, keeper in _keepers.items():
        if given_up := keeper.give_up(raw, day):
            log.warning("events.given_up", because="retention", day=str(day), of=name, count=given_up)
    return not needs(raw, day)


def _drop(raw: Connection, partition: Partition) -> int:
    partitions.drop(raw, partition)
    log.info("partition.dropped", day=str(partition.day), bytes=partition.bytes)
    return 1


def _prune_milestones(raw: Connection) -> None:
    """What lies behind the oldest day is behind every cursor that has something ahead of it."""
    left = partitions.attached(raw)
    if left:
        tally.prune_milestones(raw, left[0].day)
