"""What metrics tell from the database: where every event is, how destinations are doing, what the log takes.

Figures of events come from the last sample (destinations.history), so that scraping many processes counts once. Must
never need more queries for more destinations.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils import timezone

from alerts import modes, processes, recovery
from alerts.models import Process
from destinations import history
from destinations.history import Figures
from destinations.models import Destination, Health, Suspect
from ingest.models import Source
from rudderproj import horizon, metrics
from rudderproj.metrics import Definition, Rows
from rudderproj.pruning import days

FRESH_SECONDS = 1.6 * history.INTERVAL_SECONDS  # upkeep samples more often; if it does not run, a scrape does
EVENTS = {  # field of history.Figures: (kind, help)
    "accepted": ("counter", "events accepted for a connection"),
    "delivered": ("counter", "events delivered"),
    "filtered": ("counter", "events not meant for the destination"),
    "skipped": ("counter", "events passed over by an operator"),
    "pending": ("gauge", "events ahead of the cursor"),
    "failed": ("gauge", "events whose last try failed and whose retry is due some time"),
    "waiting": ("gauge", "events behind a failed one of the same user"),
    "aborted": ("gauge", "dead letters"),
    "difference": ("gauge", "accepted events whose whereabouts nothing explains: 0 unless something is wrong"),
}
BREAKER = {Health.Breaker.CLOSED: 0, Health.Breaker.HALF_OPEN: 1, Health.Breaker.OPEN: 2}
_OF_CONNECTION = ("source", "destination")
_OF_DESTINATION = ("destination",)

DEFINITIONS = (
    *(
        Definition(f"rudderproj_{name}_events{'_total' if kind == 'counter' else ''}", kind, text, _OF_CONNECTION)
        for name, (kind, text) in EVENTS.items()
    ),
    Definition(
        "rudderproj_oldest_event_age_seconds",
        "gauge",
        "age of the oldest event that a destination is owed, also while it or the connection is switched off; 0 when "
        "there is none",
        _OF_DESTINATION,
    ),
    Definition(
        "rudderproj_destination_behind_seconds",
        "gauge",
        "the same of what does not wait for the return of a destination or connection that is switched off",
        _OF_DESTINATION,
    ),
    Definition(
        "rudderproj_oldest_pending_age_seconds",
        "gauge",
        "age of the oldest event that is not read yet, but in lanes that stopped behind retries, and but of what is "
        "switched off; 0 when there is none",
        _OF_DESTINATION,
    ),
    Definition("rudderproj_destination_enabled", "gauge", "0 when an operator switched it off", _OF_DESTINATION),
    Definition(
        "rudderproj_destination_held",
        "gauge",
        "1 while it is stopped: for 401, 403 or 410, or because it killed workers",
        _OF_DESTINATION,
    ),
    Definition(
        "rudderproj_suspects",
        "gauge",
        "its events and links that were in flight when a worker died and are not tried alone yet",
        _OF_DESTINATION,
    ),
    Definition("rudderproj_destination_paused", "gauge", "1 while an operator has paused it", _OF_DESTINATION),
    Definition("rudderproj_breaker_state", "gauge", "0 closed, 1 half open (probing), 2 open", _OF_DESTINATION),
    Definition("rudderproj_breaker_open_seconds", "gauge", "since when the breaker is not closed", _OF_DESTINATION),
    Definition("rudderproj_failed_probes", "gauge", "probes that failed since the breaker opened", _OF_DESTINATION),
    Definition(
        "rudderproj_destination_concurrency",
        "gauge",
        "events that a link may have in flight, as the last one found out by the answers",
        _OF_DESTINATION,
    ),
    Definition("rudderproj_log_events_total", "counter", "events the log took, connected or not", ("source",)),
    Definition("rudderproj_log_bytes", "gauge", "size of the event log with its indexes"),
    Definition("rudderproj_log_partitions", "gauge", "days the event log holds, days ahead included"),
    Definition("rudderproj_log_oldest_day_age_seconds", "gauge", "age of the oldest day in the log"),
    Definition("rudderproj_retention_seconds", "gauge", "how long events are kept in the log, RETENTION_DAYS"),
    Definition(
        "rudderproj_retention_warning_age_seconds",
        "gauge",
        "age from which an event that is owed is about to leave the log: RETENTION_WARNING_DAYS before RETENTION_DAYS, "
        "but no less than half of these",
    ),
    Definition("rudderproj_log_partitions_ahead", "gauge", "days after today that have a partition already"),
    Definition("rudderproj_horizon_age_seconds", "gauge", "age of the transaction that holds the horizon; 0 if none"),
    Definition("rudderproj_degraded", "gauge", "1 in degraded mode: events are accepted and not forwarded"),
    Definition("rudderproj_degraded_seconds", "gauge", "for how long it has been, by its actor", ("actor",)),
    Definition("rudderproj_restarts", "gauge", "restarts after a crash lately, of the process with most", ("role",)),
    Definition("rudderproj_mode_forced", "gauge", "1 while RSERVER_MODE says what the service does"),
    Definition("rudderproj_processes", "gauge", "processes seen within the last seconds", ("role",)),
    Definition("rudderproj_sample_age_seconds", "gauge", "age of the figures of events"),
)

_LOG = """
SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0), count(*),
    coalesce(extract(epoch FROM now() - min(day)::timestamp AT TIME ZONE 'UTC'), 0),
    count(*) FILTER (WHERE day > (now() AT TIME ZONE 'UTC')::date)
FROM (SELECT inhrelid, to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day FROM pg_inherits
      WHERE inhparent = 'ingest_event'::regclass) partition
"""


def register() -> None:
    """Have the web process tell these. Called once, when the app is ready."""
    metrics.figures.add(DEFINITIONS, read)


def read() -> Mapping[str, Rows]:
    """Rows of (label values, value) by name of the metric. Raises django.db.DatabaseError."""
    snapshot, mode = history.at_most(FRESH_SECONDS), modes.current()
    sources = dict(Source.objects.values_list("pk", "name"))
    destinations = list(Destination.objects.select_related("health").only("name", "enabled", *_HEALTH))
    found = _events(snapshot, sources, {row.pk: row.name for row in destinations})
    found |= _destinations(destinations, snapshot)
    found |= _log()
    found |= {
        "rudderproj_log_events_total": _named(snapshot.stored, sources),
        "rudderproj_processes": _processes(),
        "rudderproj_degraded": _one(not mode.forwards),
        "rudderproj_degraded_seconds": [] if mode.forwards else [((mode.actor,), _age(mode.since))],
        "rudderproj_mode_forced": _one(bool(modes.forced())),
        "rudderproj_restarts": _restarts(),
        "rudderproj_sample_age_seconds": _one(_age(snapshot.at)),
    }
    return found


_HEALTH = [f"health__{name}" for name in ("state", "breaker", "opened_at", "probes_failed", "learned")]


def _one(value: float) -> Rows:
    return [((), float(value))]


def _named(values: Mapping[int, float], names: Mapping[int, str]) -> Rows:
    """By name instead of id; what was deleted since the sample is left out."""
    return [((names[pk],), value) for pk, value in values.items() if pk in names]


def _events(snapshot: history.Snapshot, sources: dict[int, str], destinations: dict[int, str]) -> dict[str, Rows]:
    rows = [
        ((sources[row.source_id], destinations[row.destination_id]), row.figures)
        for row in snapshot.connections
        if row.source_id in sources and row.destination_id in destinations
    ]
    by_name = zip(EVENTS, DEFINITIONS, strict=False)
    return {definition.name: [(key, getattr(figures, term)) for key, figures in rows] for term, definition in by_name}


def _destinations(rows: list[Destination], snapshot: history.Snapshot) -> dict[str, Rows]:
    figures, switched_on = snapshot.by_destination(), snapshot.switched_on().by_destination()
    none = Figures()
    names = {row.pk: row.name for row in rows}
    suspects = Counter(Suspect.objects.filter(state=Suspect.State.OPEN).values_list("destination_id", flat=True))
    values: dict[str, dict[int, float]] = {
        "rudderproj_oldest_event_age_seconds": {row.pk: figures.get(row.pk, none).oldest_age_seconds for row in rows},
        "rudderproj_destination_behind_seconds": {
            row.pk: switched_on.get(row.pk, none).oldest_age_seconds for row in rows
        },
        "rudderproj_oldest_pending_age_seconds": {
            row.pk: switched_on.get(row.pk, none).oldest_pending_age_seconds for row in rows
        },
        "rudderproj_destination_enabled": {row.pk: row.enabled for row in rows},
        "rudderproj_destination_held": {row.pk: row.health.state == Health.State.HELD for row in rows},
        "rudderproj_suspects": {row.pk: suspects.get(row.pk, 0) for row in rows},
        "rudderproj_destination_paused": {row.pk: row.health.state == Health.State.PAUSED for row in rows},
        "rudderproj_breaker_state": {row.pk: BREAKER[Health.Breaker(row.health.breaker)] for row in rows},
        "rudderproj_breaker_open_seconds": {row.pk: _age(row.health.opened_at) for row in rows},
        "rudderproj_destination_concurrency": {
            row.pk: row.health.learned["events"] for row in rows if row.health.learned
        },
        "rudderproj_failed_probes": {row.pk: row.health.probes_failed for row in rows},
    }
    return {name: _named(found, names) for name, found in values.items()}


def _log() -> dict[str, Rows]:
    with connection.cursor() as cursor:
        cursor.execute(_LOG)
        size, partitions, oldest, ahead = cursor.fetchone()
    held = horizon.holder()
    return {
        "rudderproj_log_bytes": _one(size),
        "rudderproj_log_partitions": _one(partitions),
        "rudderproj_log_oldest_day_age_seconds": _one(max(0.0, float(oldest))),
        "rudderproj_log_partitions_ahead": _one(ahead),
        "rudderproj_retention_seconds": _one(days(settings.ENV["RETENTION_DAYS"])),
        "rudderproj_retention_warning_age_seconds": _one(_warning_age()),
        "rudderproj_horizon_age_seconds": _one(held.age_seconds if held else 0.0),
    }


def _warning_age() -> float:
    """With fewer days than are warned about, every event that is owed would be a warning."""
    kept = days(settings.ENV["RETENTION_DAYS"])
    return max(kept - days(settings.ENV["RETENTION_WARNING_DAYS"]), kept / 2)


def _processes() -> Rows:
    """Roles without a living process are told too, or an alert on them would never fire."""
    roles = [row.role for row in processes.living(processes.GONE_SECONDS)]
    return [((role,), float(roles.count(role))) for role in Process.Role.values]


_GUARDED = [role for role in Process.Role.values if role != Process.Role.FLOWER]


def _restarts() -> Rows:
    found = recovery.restarts()
    counts = {role: [each.recent for each in found if each.role == role] for role in _GUARDED}
    return [((role,), float(max(counts[role], default=0))) for role in _GUARDED]


def _age(at: datetime | None) -> float:
    return 0.0 if at is None else max(0.0, (timezone.now() - at).total_seconds())
