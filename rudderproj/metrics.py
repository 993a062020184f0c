"""What this product measures: the definitions, this process's counters, and the text that Prometheus scrapes.

Counting must never fail, wait or cost a request anything that can be measured. What the database knows exactly is not
counted here: apps hand it in through `add_figures`, and the web process tells it. Must never import an app.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from rudderproj import VERSION

log = structlog.get_logger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FIGURES_SECONDS = 5.0  # how long the figures of the database are told again before they are read anew
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LINK_SECONDS = (0.05, 0.25, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
OTHER = "other"

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric: its name as scraped, its kind (counter, gauge, histogram), its labels, and who tells it."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    told_by: str = "database"  # or the processes that count it: web, worker
    buckets: tuple[float, ...] = ()
    known: tuple[str, ...] = ()  # values of the last label that are told as 0 as soon as any other is


class Relay(Protocol):
    """Takes what a process counts that is not scraped itself."""

    def note(self, recorder: "Recorder", labels: tuple[str, ...], value: float) -> None: ...


class Recorder:
    """A counter or histogram of this process, or of the process that started it (see rudderproj.metrics_relay)."""

    relay: Relay | None = None  # of the whole process

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._begun: set[tuple[str, ...]] = set()
        self._metric: Counter | Histogram
        names = (definition.name, definition.help, definition.labels)
        if definition.kind == "histogram":
            self._metric = Histogram(*names, registry=REGISTRY, buckets=definition.buckets)
        else:
            self._metric = Counter(*names, registry=REGISTRY)

    def add(self, value: float, *labels: str) -> None:
        """Raise the counter by `value`, or note it in the histogram."""
        if Recorder.relay is not None:
            Recorder.relay.note(self, labels, value)
        else:
            self.bound(*labels)(value)

    def bound(self, *labels: str) -> Callable[[float], None]:
        """`add` with the labels given beforehand, for what is called often. Not in a worker's child."""
        metric = self._metric.labels(*labels) if labels else self._metric
        if self.definition.known and labels[:-1] not in self._begun:
            # A series that begins at what its first burst counted has not risen, for Prometheus.
            self._begun.add(labels[:-1])
            for value in self.definition.known:
                self._metric.labels(*labels[:-1], value)
        return metric.observe if isinstance(metric, Histogram) else metric.inc


REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
prometheus_client.Info("rudderproj_build", "version that runs", registry=REGISTRY).info({"version": VERSION})

REQUEST_SECONDS = Recorder(
    Definition(
        "rudderproj_request_seconds",
        "histogram",
        "time to answer a request, commit included, by kind of route and status",
        ("kind", "status"),
        "web",
        SECONDS,
        known=("500", "503"),
    )
)
INGESTED_EVENTS = Recorder(
    Definition(
        "rudderproj_ingested_events_total",
        "counter",
        "events taken: accepted, duplicate (dropped by messageId) or rejected (kept with the reason)",
        ("result",),
        "web",
    )
)
COMMIT_SECONDS = Recorder(
    Definition(
        "rudderproj_commit_seconds", "histogram", "time to store a group of events and commit", (), "web", SECONDS
    )
)
DATABASE_ERRORS = Recorder(
    Definition(
        "rudderproj_database_errors_total",
        "counter",
        "statements that failed or found no database, by who needed it",
        ("part",),
        "web, worker",
    )
)
BROKER_ERRORS = Recorder(
    Definition(
        "rudderproj_broker_errors_total",
        "counter",
        "calls that found no broker, by what they were for",
        ("part",),
        "web, worker",
    )
)
ATTEMPTS = Recorder(
    Definition(
        "rudderproj_attempts_total",
        "counter",
        "requests sent to a destination by outcome: delivered, retry, refused, aborted",
        ("destination", "outcome"),
        "worker",
        known=("delivered", "retry", "refused", "aborted"),
    )
)
ATTEMPT_SECONDS = Recorder(
    Definition(
        "rudderproj_attempt_seconds", "histogram", "time until a destination answered", ("outcome",), "worker", SECONDS
    )
)
LINK_DURATION = Recorder(
    Definition(
        "rudderproj_link_seconds",
        "histogram",
        "duration of a link by how it ended: progressed, idle, dropped",
        ("end",),
        "worker",
        LINK_SECONDS,
    )
)
UPKEEP_FAILURES = Recorder(
    Definition("rudderproj_upkeep_failures_total", "counter", "chores of upkeep that failed", ("chore",), "worker")
)
ALERT_CHECK_FAILURES = Recorder(
    Definition(
        "rudderproj_alert_check_failures_total", "counter", "checks for incidents that failed", ("kind",), "worker"
    )
)
NOTIFICATION_ATTEMPTS = Recorder(
    Definition(
        "rudderproj_notification_attempts_total",
        "counter",
        "notifications sent, by the kind of channel and outcome: accepted, retry, refused",
        ("provider", "outcome"),
        "worker",
    )
)
RECORDERS = (
    REQUEST_SECONDS,
    INGESTED_EVENTS,
    COMMIT_SECONDS,
    DATABASE_ERRORS,
    BROKER_ERRORS,
    ATTEMPTS,
    ATTEMPT_SECONDS,
    LINK_DURATION,
    UPKEEP_FAILURES,
    ALERT_CHECK_FAILURES,
    NOTIFICATION_ATTEMPTS,
)
DATABASE_UP = Definition("rudderproj_database_up", "gauge", "1 when the figures of the database could be read")

Rows = Iterable[tuple[tuple[str, ...], float]]
_kinds: dict[str, str] = {}


def name_routes(kinds: Mapping[str, str]) -> None:
    """Say of what kind the requests to these paths are; all others are `other`."""
    _kinds.update(kinds)


@lru_cache(maxsize=4096)
def _request(kind: str, status: int) -> Callable[[float], None]:
    return REQUEST_SECONDS.bound(kind, str(status))


def observe_request(path: str, status: int, seconds: float) -> None:
    """Note an answered request. Called in the web process's event loop."""
    _request(_kinds.get(path) or _kinds.get(path.rstrip("/"), OTHER), status)(seconds)


class Figures:
    """What the database knows, as text: read when somebody asks, at most once in FIGURES_SECONDS."""

    def __init__(self) -> None:
        self.definitions: list[Definition] = [DATABASE_UP]
        self._sources: list[Callable[[], Mapping[str, Rows]]] = []
        self._lock = threading.Lock()
        self._text = b""
        self._read_at = float("-inf")

    def add(self, definitions: Iterable[Definition], read: Callable[[], Mapping[str, Rows]]) -> None:
        """Tell these too. `read` gives (label values, value) rows by name; what it raises leaves all of it out."""
        self.definitions.extend(definitions)
        self._sources.append(read)

    def text(self) -> bytes:
        """The exposition. Never raises: without a database it says so."""
        with self._lock:
            if time.monotonic() > self._read_at + FIGURES_SECONDS:
                registry = CollectorRegistry()
                registry.register(self)
                self._text, self._read_at = generate_latest(registry), time.monotonic()
            return self._text

    def collect(self) -> Iterator[Metric]:
        """For prometheus_client."""
        try:
            found = [dict(read()) for read in self._sources]
        except Exception as error:  # noqa: BLE001 - whatever it was, the process's own counters must be told
            log.warning("metrics.figures_unread", error=str(error).strip())
            found = []
        rows: dict[str, Rows] = {DATABASE_UP.name: [((), float(bool(found)))]}
        for part in found:
            rows |= part
        for definition in self.definitions:
            if definition.name in rows:
                yield _family(definition, rows[definition.name])


def _family(definition: Definition, rows: Rows) -> Metric:
    kind = CounterMetricFamily if definition.kind == "counter" else GaugeMetricFamily
    family = kind(definition.name, definition.help, labels=definition.labels)
    for labels, value in rows:
        family.add_metric(labels, value)
    return family


figures = Figures()


def definitions() -> list[Definition]:
    """Every metric there is."""
    return [*(recorder.definition for recorder in RECORDERS), *figures.definitions]


def exposition(with_figures: bool) -> bytes:
    """Everything this process tells; `with_figures` reads the database."""
    own = generate_latest(REGISTRY)
    return own + figures.text() if with_figures else own
