"""The admin's first page: how everything is now, and how it went, from the samples that destinations.history keeps.

Must never count anything itself: many readers cost no more than one.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from alerts import modes, processes
from alerts.models import Incident, Notification, Process
from destinations import history
from destinations.figures import age, count
from destinations.history import Figures, Snapshot
from destinations.models import Destination, Health
from rudderproj.charts import Chart, Series, line_chart

# Hours, and seconds of a step: sixty points, since a thousand destinations are added up for each.
RANGES = {"1h": (1, 60), "6h": (6, 360), "24h": (24, 1440), "48h": (48, 2880)}
FRESH_SECONDS = 30
ENOUGH_SAMPLES = 10
SHOWN_DESTINATIONS = 12
SHOWN_AGES = 5
SHOWN_UNSENT = 100
NEEDED = (Process.Role.WEB, Process.Role.FORWARD, Process.Role.ALERTS, Process.Role.BEAT)


Rates = list[tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True)
class Tile:
    """One number. `tone`: "", good, warn or bad."""

    title: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One destination of the table."""

    destination: Destination
    figures: Figures = field(default_factory=Figures)

    @property
    def owed(self) -> int:
        """Events that are still to be delivered."""
        return _owed(self.figures)

    @property
    def trouble(self) -> tuple[bool, bool, float, int]:
        """Largest for what needs looking at first."""
        health = self.destination.health
        stopped = self.destination.enabled and health.state != Health.State.OK
        is_open = health.breaker != Health.Breaker.CLOSED
        return stopped, is_open, self.figures.oldest_age_seconds, self.figures.aborted


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """For django-unfold's DASHBOARD_CALLBACK."""
    if not request.user.has_perm("destinations.view_destination"):
        return given
    chosen = request.GET.get("range", "")
    chosen = chosen if chosen in RANGES else "1h"
    hours, step = RANGES[chosen]
    now = history.at_most(FRESH_SECONDS)
    samples = _samples(timezone.now() - timedelta(hours=hours), step)
    rates, rows = _rates(samples), _rows(now)
    return given | {
        "title": "Dashboard",
        "dashboard": True,
        "tiles": [*_service_tiles(rows), *_event_tiles(now, rates)],
        "charts": list(_charts(samples, rates, {row.destination.pk: row.destination.name for row in rows})),
        "rows": sorted(rows, key=lambda row: row.trouble, reverse=True)[:SHOWN_DESTINATIONS],
        "hidden_rows": max(0, len(rows) - SHOWN_DESTINATIONS),
        "at": now.at,
        "ranges": list(RANGES),
        "range": chosen,
    }


def _samples(since: datetime, step: int) -> list[Snapshot]:
    """One a step; every sample while those are too few for a picture, as in the first minutes of all."""
    samples = history.series(since, step)
    return samples if len(samples) >= ENOUGH_SAMPLES else history.series(since, history.INTERVAL_SECONDS)


def _rows(now: Snapshot) -> list[Row]:
    figures = now.by_destination()
    found = Destination.objects.select_related("health").defer("config").order_by("name")
    return [Row(row, figures.get(row.pk, Figures())) for row in found]


def _service_tiles(rows: list[Row]) -> Iterator[Tile]:
    mode = modes.current()
    yield Tile("Mode", mode.mode, f"since {mode.since:%Y-%m-%d %H:%M}", "good" if mode.forwards else "bad")
    living = list(processes.living().values_list("role", flat=True))
    missing = [role.value for role in NEEDED if role not in living]
    note = f"none of {', '.join(missing)}" if missing else "every role is there"
    yield Tile("Processes", str(len(living)), note, "warn" if missing else "good")
    yield _incidents_tile()
    enabled = [row for row in rows if row.destination.enabled]
    stopped = sum(row.destination.health.state != Health.State.OK for row in enabled)
    is_open = sum(row.destination.health.breaker != Health.Breaker.CLOSED for row in enabled)
    note = f"{stopped} held or paused, {is_open} with an open breaker" if stopped or is_open else "all sending"
    yield Tile("Destinations", str(len(enabled)), note, "bad" if is_open else "warn" if stopped else "good")


def _incidents_tile() -> Tile:
    severities = list(Incident.objects.filter(resolved_at=None).values_list("severity", flat=True))
    unsent = len(Notification.objects.exclude(next_attempt_at=None).exclude(last_error="")[:SHOWN_UNSENT])
    is_bad = bool({"critical", "error"} & set(severities))
    note = f"{unsent} notifications not accepted" if unsent else "open now" if severities else "nothing is open"
    return Tile(
        "Incidents", str(len(severities)), note, "bad" if is_bad else "warn" if severities or unsent else "good"
    )


def _event_tiles(now: Snapshot, rates: Rates) -> Iterator[Tile]:
    total = now.total
    accepted, delivered = rates[-1] if rates else (None, None)
    yield Tile("Accepted", _per_second(accepted), f"{count(sum(now.stored.values()))} in all")
    yield Tile("Delivered", _per_second(delivered), f"{count(total.delivered)} in all, at all destinations")
    behind = total.oldest_age_seconds
    yield Tile("Owed", count(_owed(total)), f"oldest {age(behind)}", "warn" if behind > 60 else "good")
    yield Tile("Dead letters", count(total.aborted), "waiting for a decision" if total.aborted else "none")
    tone = "bad" if total.difference else "good"
    yield Tile("Difference", count(total.difference), "accepted events that nothing explains", tone)


def _charts(samples: Sequence[Snapshot], rates: Rates, names: dict[int, str]) -> Iterator[Chart]:
    if len(samples) < 2:
        return
    times = [sample.at for sample in samples]
    yield line_chart(
        "Events a second",
        times[1:] if len(times) > 2 else times,
        [
            Series("accepted", _aligned([rate[0] for rate in rates], times)),
            Series("delivered", _aligned([rate[1] for rate in rates], times)),
        ],
        lambda value: f"{value:,.4g}",
    )
    yield line_chart("Oldest owed event", times, list(_ages(samples, names)), _short_seconds, 10)
    totals = [sample.total for sample in samples]
    owed = [Series(name, [float(getattr(t, name)) for t in totals]) for name in ("pending", "failed", "waiting")]
    yield line_chart("Owed events", times, owed, count, 4)
    outcomes = [Series(name, _grown(totals, name)) for name in ("aborted", "filtered", "skipped")]
    yield line_chart("Not delivered, so far in this range", times, outcomes, count, 4)


def _rates(samples: Sequence[Snapshot]) -> Rates:
    """Accepted and delivered events a second between neighbours; None where a sum fell, since something was removed."""
    found = []
    counted = [(s.at, sum(s.stored.values()), sum(row.figures.delivered for row in s.connections)) for s in samples]
    for before, after in itertools.pairwise(counted):
        seconds = (after[0] - before[0]).total_seconds()
        stored, delivered = after[1] - before[1], after[2] - before[2]
        found.append(tuple(None if grown < 0 else grown / seconds for grown in (stored, delivered)))
    return found  # type: ignore[return-value]


def _aligned(values: list[float | None], times: Sequence[Any]) -> list[float | None]:
    """A rate is of the time that ends with its sample; with two samples one rate is drawn as a line."""
    return values if len(times) > 2 else values * 2


def _ages(samples: Sequence[Snapshot], names: dict[int, str]) -> Iterator[Series]:
    """The destinations that were furthest behind."""
    ages = [_oldest(sample) for sample in samples]
    worst = sorted(names, key=lambda pk: max(found.get(pk, 0.0) for found in ages), reverse=True)
    for pk in worst[:SHOWN_AGES]:
        yield Series(names[pk], [found.get(pk) for found in ages])


def _oldest(sample: Snapshot) -> dict[int, float]:
    """The age of the oldest event owed to each destination."""
    found: dict[int, float] = {}
    for row in sample.connections:
        age_seconds = row.figures.oldest_age_seconds
        found[row.destination_id] = max(age_seconds, found.get(row.destination_id, 0.0))
    return found


def _grown(totals: Sequence[Figures], name: str) -> list[float | None]:
    first = getattr(totals[0], name)
    return [float(max(0, getattr(total, name) - first)) for total in totals]


def _owed(figures: Figures) -> int:
    return figures.pending + figures.failed + figures.waiting


def _per_second(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def _short_seconds(value: float) -> str:
    """Of the axis: one unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= 2 * size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} s"
