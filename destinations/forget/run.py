"""Forgetting a person: in which order, what is reported, and the record of the act.

What only devices tell is erased first, and what names the person last: it is from there that the devices are known, so
whoever is killed in the middle starts again and finds what is left. Progress is told; the id never is.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field

import structlog
from django.utils import timezone
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.forget import deliveries, events, others
from destinations.forget.deliveries import Erased
from destinations.forget.events import Logged
from destinations.forget.person import Person, pseudonym
from destinations.models import Connection as Link
from destinations.records import Forgetting
from ingest.models import Source
from rudderproj import db

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 60
VACUUM_SECONDS = 1800


@dataclass(slots=True)
class Report:
    """How much of each kind was theirs; in a dry run, what would be erased."""

    person: str  # a pseudonym
    devices: int = 0  # anonymous ids that were followed
    events: int = 0
    deliveries: int = 0
    given_up: int = 0  # of the deliveries: failed or waiting, now skipped
    attempts: int = 0
    rejected_events: int = 0
    inbox_deliveries: int = 0
    destinations: int = 0  # whose last error mentioned them
    replays: int = 0
    suspects: int = 0
    tables: set[str] = field(default_factory=set)  # of the log, whose old row versions are to be cleaned up

    @property
    def counts(self) -> dict[str, int]:
        """The numbers by name."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, int)}

    def add(self, erased: Erased) -> None:
        """Add what was erased of rows and attempts."""
        self.deliveries += erased.deliveries
        self.given_up += erased.given_up
        self.attempts += erased.attempts


def forget(
    user_id: str,
    *,
    actor: str,
    source: Source | None = None,
    dry_run: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Erase a person's payloads, of one source or of all. Slow: it reads the whole log, in short statements.

    Safe to be called again, also after a kill. Raises ValueError for an empty id, psycopg2.Error, or
    deliveries.LaneBusy: then call it again.
    """
    if not user_id.strip():
        raise ValueError("an empty id is nobody's")
    report = Report(pseudonym(user_id))
    record = Forgetting(
        person=report.person, actor=actor, source=source.name if source else "", started_at=timezone.now()
    )
    if not dry_run:
        record.save()
    with closing(db.connect("forget", STATEMENT_SECONDS)) as raw:
        _Act(raw, Person(user_id), source.pk if source else None, dry_run, tell, report).do()
    if not dry_run:
        record.counts, record.ended_at = report.counts, timezone.now()
        record.save()
        log.info("person.forgotten", person=report.person, actor=actor, **report.counts)
    return report


@dataclass(slots=True)
class _Act:
    """One forgetting, on its connection."""

    raw: Connection
    person: Person
    source_id: int | None
    dry_run: bool
    tell: Callable[[str], None]
    report: Report
    counted: set[tuple[int, int, int]] = field(default_factory=set)  # in a dry run: what attempts are counted of

    def do(self) -> None:
        named = self._find_named()
        self.report.devices = len(self.person.devices)
        if self.person.devices:
            theirs = events.walk(self.raw, events.OF_DEVICES, self.person, self.source_id, self.tell)
            anonymous = (e for e, event in theirs if self.person.owns(event) and not self.person.is_named_in(event))
            for batch in events.batches(anonymous):
                self._erase_events(batch)
        self._erase_others()
        self._erase_rows()
        for batch in events.batches(iter(named)):
            self._erase_events(batch)
        if not self.dry_run:
            self._clean_up()

    def _find_named(self) -> list[Logged]:
        """The events of the log that carry their id; learns their devices from all that is kept."""
        named = []
        for logged, event in events.walk(self.raw, events.NAMED, self.person, self.source_id, self.tell):
            if self.person.is_named_in(event):
                named.append(logged)
                self.person = self.person.with_devices_of(event)
        self.person = deliveries.devices_in(self.raw, self.person, self.source_id)
        self.person = others.devices_in_rejected(self.raw, self.person, self.source_id)
        return named

    def _erase_events(self, batch: list[Logged]) -> None:
        """Tombstones first; then nobody may remember what was there; then their rows."""
        links = Link.objects.filter(source__in={e.source_id for e in batch}).values_list("pk", "source_id")
        places = [(link, e.xid, e.position) for link, source_id in links for e in batch if source_id == e.source_id]
        if self.dry_run:
            self.report.events += len(batch)
            self.report.attempts += self._attempts_not_yet_counted(set(places))
            return
        self.report.attempts += deliveries.attempts(self.raw, places, erase=True)
        self.report.events += events.erase(self.raw, batch)
        self.report.tables.add(batch[0].table)
        deliveries.stop_links(self.raw, batch)
        self.report.add(deliveries.erase(self.raw, deliveries.of_events(self.raw, batch)))

    def _erase_rows(self) -> None:
        self.tell("reading deliveries")
        rows = sorted(deliveries.find(self.raw, self.person, self.source_id), key=lambda row: row.named)
        if self.dry_run:
            said = self._attempts_not_yet_counted({row.place for row in rows})
            self.report.add(Erased(len(rows), sum(row.is_held for row in rows), said))
        else:
            self.report.add(deliveries.erase(self.raw, rows))

    def _attempts_not_yet_counted(self, places: set[tuple[int, int, int]]) -> int:
        """An event and its rows share attempts. Once erased they say nothing more; a dry run sees them again."""
        new = sorted(places - self.counted)
        self.counted.update(new)
        return deliveries.attempts(self.raw, new, erase=False)

    def _erase_others(self) -> None:
        self.tell("reading rejected events and the rest")
        raw, erase = self.raw, not self.dry_run
        rejected = sorted(others.rejected(raw, self.person, self.source_id), key=lambda found: found[1])
        inbox = others.inbox(raw, self.person)
        self.report.rejected_events = len(rejected)
        self.report.inbox_deliveries = len(inbox)
        if erase:
            for start in range(0, len(rejected), deliveries.BATCH_ROWS):
                others.erase_rejected(raw, [pk for pk, _ in rejected[start : start + deliveries.BATCH_ROWS]])
            others.erase_inbox(raw, inbox)
        self.report.destinations = others.errors(raw, self.person, erase=erase)
        self.report.replays = others.replays(raw, self.person, erase=erase)
        self.report.suspects = others.suspects(raw, self.person, self.source_id, erase=erase)

    def _clean_up(self) -> None:
        """Have the old versions of changed rows removed now: autovacuum would not come for so few."""
        changed = {"destinations_delivery", "destinations_attempt", "ingest_rejectedevent", "inbox_inboxdelivery"}
        with self.raw.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{VACUUM_SECONDS}s"])
            for table in sorted(self.report.tables | changed):
                self.tell(f"cleaning up {table}")
                cursor.execute("SELECT to_regclass(%s)", [f'"{table}"'])
                if cursor.fetchone() != (None,):
                    cursor.execute(sql.SQL("VACUUM (TRUNCATE false) {}").format(sql.Identifier(table)))
