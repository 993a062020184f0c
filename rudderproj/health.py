"""Liveness, readiness, version: what a load balancer and an orchestrator ask.

Owns the watch that probes the database in a thread of its own. Must never wait for the database when asked for
liveness, or import an app: what others know (the mode) comes through `register`.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psycopg2
import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj import VERSION, db, metrics
from rudderproj.web_direct import direct
from rudderproj.web_hooks import retry_after

log = structlog.get_logger(__name__)

FRESH_SECONDS = 1.0  # between probes that nobody waits for
ANSWER_SECONDS = 1.0  # a database that takes longer to commit is not ready
DOUBT_MS = 30_000  # how long a statement of a doubt may take
NORMAL = "NORMAL"
NO_ANSWER = "database does not answer"
_COMMIT = "SELECT current_setting('transaction_read_only'), pg_logical_emit_message(true, 'rudderproj.health', '')"

_probes: dict[str, Callable[[], Mapping[str, str]]] = {}
_doubts: list[Callable[[Connection], str]] = []


def register(name: str, probe: Callable[[], Mapping[str, str]]) -> None:
    """Have `probe` called after each successful look at the database; /health shows its last answers, but empty ones.

    Called in the watch's thread, at most once a second. An exception keeps the last answers.
    """
    _probes[name] = probe


def doubt(ask: Callable[[Connection], str]) -> None:
    """Have `ask` look at a database just connected to: why no event may be stored there, empty if it may."""
    _doubts.append(ask)


@dataclass(frozen=True)
class Known:
    """What was last found out. `at`: when that probe began; `reason`: empty when an event could be stored."""

    at: float = float("-inf")
    reason: str = "database not looked at yet"
    answers: dict[str, str] = field(default_factory=dict)


class Watch:
    """Probes the database each second and on demand, one probe at a time, in a daemon thread started on first use."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._raw: Connection | None = None
        self._known = Known()
        self._wanted = False
        self._probing_since: float | None = None

    def last(self) -> Known:
        """What is known now, without waiting: about a second old, once the watch has begun."""
        with self._changed:
            self._start()
            return self._current()

    def now(self) -> Known:
        """What a probe started after this call finds; waits for it, up to ANSWER_SECONDS."""
        asked = time.monotonic()
        with self._changed:
            self._start()
            self._wanted = True
            self._changed.notify_all()
            answered = self._changed.wait_for(lambda: self._known.at >= asked or self._stuck(), ANSWER_SECONDS)
            return self._current() if answered else Known(self._known.at, NO_ANSWER, self._known.answers)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="health", daemon=True)
            self._thread.start()

    def _stuck(self) -> bool:
        return self._probing_since is not None and time.monotonic() - self._probing_since > ANSWER_SECONDS

    def _current(self) -> Known:
        if self._stuck():
            return Known(self._known.at, NO_ANSWER, self._known.answers)
        return self._known

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted, FRESH_SECONDS)
                started = self._probing_since = time.monotonic()
                self._wanted = False
            reason = self._look()
            answers = self._known.answers if reason else self._ask_others()
            with self._changed:
                self._known = Known(started, reason, answers)
                self._probing_since = None
                self._changed.notify_all()

    def _look(self) -> str:
        """Commit something that every commit waits for (disk, standby), and say why that failed."""
        try:
            if self._raw is None or self._raw.closed:
                self._raw = db.connect("health", ANSWER_SECONDS)
                if reason := _doubted(self._raw):
                    self._raw.close()
                    return reason
            self._raw.notices.clear()
            with self._raw.cursor() as cursor:
                cursor.execute(_COMMIT)
                row = cursor.fetchone()
        except psycopg2.Error as error:
            if self._raw is not None:
                self._raw.close()
            metrics.DATABASE_ERRORS.add(1, "health")
            # The text of a failed connection names hosts and users: not for everybody.
            return f"database refuses: {error.diag.message_primary}" if error.pgcode else "database away"
        if row is None or row[0] == "on":
            return "database is read-only"
        # The only thing that the server may have to say here, in its own language.
        return "standby does not confirm commits" if self._raw.notices else ""

    def _ask_others(self) -> dict[str, str]:
        answers = dict(self._known.answers)
        for name, probe in _probes.items():
            try:
                answers |= probe()
            except Exception:  # whatever it was, liveness must not depend on it
                log.warning("health.probe_failed", probe=name, exc_info=True)
        return answers


def _doubted(raw: Connection) -> str:
    """Why no event may be stored there. It may take longer than an answer: asked anew each time, it would never end."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{DOUBT_MS}ms"])
        reason = next(filter(None, (ask(raw) for ask in _doubts)), "")
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{ANSWER_SECONDS * 1000:.0f}ms"])
    return reason


watch = Watch()


@direct
def health(_request: HttpRequest) -> JsonResponse:
    """Alive, and what was last known of the rest. Always 200."""
    known = watch.last()
    up = not known.reason
    mode = known.answers.get("mode", NORMAL)
    return JsonResponse(
        {
            "server": "UP",
            "db": "UP" if up else "DOWN",
            "acceptingEvents": "TRUE" if up else "FALSE",
            "routingEvents": "TRUE" if up and mode == NORMAL else "FALSE",
            "mode": mode,
        }
        | {name: answer for name, answer in known.answers.items() if answer}
    )


@direct
def ready(_request: HttpRequest) -> HttpResponse:
    """200 when an event could be stored now, else 503 with the reason."""
    known = watch.now()
    if not known.reason:
        return HttpResponse("ready", content_type="text/plain")
    headers = {"Retry-After": retry_after()}
    return HttpResponse(known.reason, status=503, content_type="text/plain", headers=headers)


@direct
def version(_request: HttpRequest) -> JsonResponse:
    """The version that runs."""
    return JsonResponse({"version": VERSION})


@direct
def robots(_request: HttpRequest) -> HttpResponse:
    """Nothing here is for crawlers."""
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")
