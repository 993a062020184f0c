"""Errors told to Sentry, for who set SENTRY_DSN; without it nothing of its library is ever imported.

What is told: lines logged as errors with where they came from, and crash reports (alerts.recovery.telling). Must never
tell values of variables, requests, users, rows or secrets; must never hold anybody up, nor touch what goes to others.
"""

import logging
from typing import TYPE_CHECKING, Any, cast

from celery.signals import beat_init, celeryd_init, worker_process_init
from django.conf import settings

from rudderproj import VERSION, own_secrets, quoted_rows

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

# What the library adds of itself, and an error report does without.
_UNTOLD = ("request", "user", "breadcrumbs", "modules")
_FLUSH_SECONDS = 5.0
_arrived: set[str] = set()


def start(process: str) -> None:
    """Tell Sentry of errors from now on, in this process. Does nothing without SENTRY_DSN."""
    if not settings.ENV["SENTRY_DSN"]:
        return
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.dedupe import DedupeIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.transport import HttpTransport

    class Transport(HttpTransport):
        """Notes what arrived, by the event's id."""

        def _handle_response(self, response: Any, envelope: Any) -> None:
            super()._handle_response(response, envelope)
            if 200 <= response.status < 300:
                _arrived.add(envelope.headers["event_id"])

    sentry_sdk.init(
        dsn=settings.ENV["SENTRY_DSN"],
        transport=Transport,
        release=f"rudderproj@{VERSION}",
        environment=settings.ENV["ENVIRONMENT_NAME"] or None,
        server_name=settings.NODE_ID,
        # Nothing is patched but logging: an error that nobody logs ends its process, which is a crash report.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda _pending, _timeout: None),
        ],
        include_local_variables=False,
        max_request_body_size="never",
        send_default_pii=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        propagate_traces=False,
        trace_propagation_targets=[],
        send_client_reports=False,
        shutdown_timeout=2,
        before_send=scrub,
    )
    sentry_sdk.set_tag("process", process)


def connect_to_celery() -> None:
    """Have it started in workers, in each of their children anew, and in beat."""
    celeryd_init.connect(_in_worker, weak=False, dispatch_uid="rudderproj.sentry")
    worker_process_init.connect(_in_worker, weak=False, dispatch_uid="rudderproj.sentry")
    beat_init.connect(_in_beat, weak=False, dispatch_uid="rudderproj.sentry")


def send(event: "Event") -> bool:
    """Send this event and wait for the answer; False if none came that says that it arrived. It needs an `event_id`."""
    import sentry_sdk

    _arrived.clear()
    sentry_sdk.capture_event(event)
    sentry_sdk.flush(_FLUSH_SECONDS)
    return event["event_id"] in _arrived


def scrub(event: "Event", hint: "Hint") -> "Event":
    """What of an event is told: our own log lines by name and fields, every text without rows and secrets."""
    record = hint.get("log_record")
    if record is not None and isinstance(record.msg, dict):
        line = {name: value for name, value in record.msg.items() if not name.startswith("_")}
        name = str(line.pop("event", "error"))
        event["logentry"] = {"message": name, "params": []}
        event["extra"] = line
        event["fingerprint"] = [record.name, name, _last_line(line.get("exception"))]
    for part in _UNTOLD:
        event.pop(part, None)  # type: ignore[misc]
    return cast("Event", _cleaned(event))


def _last_line(traceback: object) -> str:
    """Of a traceback: which exception, without what it says."""
    lines = str(traceback or "").strip().splitlines()
    return lines[-1].partition(":")[0] if lines else ""


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return own_secrets.mask()(quoted_rows.cut(value))
    if isinstance(value, dict):
        return {name: _cleaned(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(inner) for inner in value]
    return value


def _in_worker(**_: Any) -> None:
    start("worker")


def _in_beat(**_: Any) -> None:
    start("beat")
