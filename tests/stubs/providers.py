"""PagerDuty and Splunk On-Call as HTTP servers that check what they are sent as those do, record it, and can fail.

A stack finds them through PAGERDUTY_EVENTS_URL and VICTOROPS_URL: `environ` of each is all it needs. Must answer as
the real ones do, also for what they would refuse.
"""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.stubs.server import Server

PATIENCE_SECONDS = 60.0
PAGERDUTY_KEY = "R0123456789ABCDEF0123456789ABCDE"
VICTOROPS_API_KEY, VICTOROPS_KEY = "api-key-of-tests", "team-of-tests"
SEVERITIES = ("critical", "error", "warning", "info")
MESSAGE_TYPES = ("CRITICAL", "WARNING", "ACKNOWLEDGEMENT", "INFO", "RECOVERY")


@dataclass(frozen=True)
class Call:
    """One request that came, and the status it was answered with."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: Any
    status: int
    at: float  # time.monotonic()


@dataclass
class Failure:
    """What to answer instead of what would be right: so many times, or as long as it is set."""

    status: int = 503
    times: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Provider:
    """A threaded HTTP server. `calls` is in the order of arrival."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.failure: Failure | None = None
        self.seconds = 0.0  # that an answer takes
        self.answers = threading.Event()  # while it is clear, requests are taken and hang
        self.answers.set()
        self._changed = threading.Condition()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, extra, answer = provider.answer(self.path, headers, raw)
                time.sleep(provider.seconds)
                provider.answers.wait()
                content = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def environ(self) -> dict[str, str]:
        """The variables with which a stack alerts here."""
        raise NotImplementedError

    def judge(self, path: str, body: Any) -> tuple[int, Any]:
        """What the real one would answer."""
        raise NotImplementedError

    def fail(self, status: int = 503, times: int | None = None, **headers: str) -> None:
        """Refuse from now on, or so many times; `retry_after="7"` becomes a header."""
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        self.failure = Failure(status, times, named)

    def recover(self) -> None:
        """Accept again."""
        self.failure = None

    def answer(self, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, dict[str, str], Any]:
        """Record a request; status, headers and body of the answer."""
        with self._changed:
            try:
                body = json.loads(raw)
                status, answer = self.judge(path, body)
            except ValueError:
                body, status, answer = raw, 400, {"status": "invalid JSON"}
            extra: dict[str, str] = {}
            failure = self.failure
            if failure and failure.times != 0:
                failure.times = failure.times and failure.times - 1
                status, extra, answer = failure.status, failure.headers, {"status": "failed as told"}
            self.calls.append(Call(path, headers, body, status, time.monotonic()))
            self._changed.notify_all()
            return status, extra, answer

    @property
    def accepted(self) -> list[Any]:
        """The bodies that were accepted, in order."""
        return [call.body for call in list(self.calls) if call.status < 300]

    def wait(self, enough: Callable[[list[Any]], object]) -> list[Any]:
        """Wait until `enough(accepted bodies)` is true; those bodies."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._changed:
            while not enough(found := self.accepted):
                assert time.monotonic() < deadline, f"not enough: {[(c.status, c.body) for c in self.calls]}"
                self._changed.wait(1)
            return found

    def close(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()


class PagerDuty(Provider):
    """Events API v2: `POST /v2/enqueue`, 202 with the dedup key, 400 for what it does not understand."""

    @property
    def environ(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.port}/v2/enqueue"
        return {"ALERT_PROVIDER": "pagerduty", "PG_ROUTING_KEY": PAGERDUTY_KEY, "PAGERDUTY_EVENTS_URL": url}

    def judge(self, path: str, body: Any) -> tuple[int, Any]:
        problems = list(_pagerduty_problems(body))
        if path != "/v2/enqueue":
            return 404, {"status": "not found"}
        if problems:
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": problems}
        return 202, {"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}

    def triggers(self, kind: str = "") -> list[Any]:
        """The accepted triggers, of one kind of incident."""
        found = [body for body in self.accepted if body["event_action"] == "trigger"]
        return [body for body in found if not kind or body["payload"]["class"] == kind]

    def resolves(self, dedup_key: str = "") -> list[Any]:
        """The accepted resolves, with one dedup key."""
        found = [body for body in self.accepted if body["event_action"] == "resolve"]
        return [body for body in found if not dedup_key or body["dedup_key"] == dedup_key]


class VictorOps(Provider):
    """The REST endpoint: `POST …/alert/<api key>/<routing key>`, 200 with `result`."""

    @property
    def environ(self) -> dict[str, str]:
        return {
            "ALERT_PROVIDER": "victorops",
            "VICTOROPS_ROUTING_KEY": VICTOROPS_KEY,
            "VICTOROPS_API_KEY": VICTOROPS_API_KEY,
            "VICTOROPS_URL": f"http://127.0.0.1:{self.port}/integrations/generic/20131114/alert",
        }

    def judge(self, path: str, body: Any) -> tuple[int, Any]:
        if path != f"/integrations/generic/20131114/alert/{VICTOROPS_API_KEY}/{VICTOROPS_KEY}":
            return 404, {"result": "failure", "message": "Unauthorized"}
        if body.get("message_type") not in MESSAGE_TYPES or not body.get("entity_id"):
            return 400, {"result": "failure", "message": "message_type or entity_id"}
        return 200, {"result": "success", "entity_id": body["entity_id"]}

    def triggers(self, kind: str = "") -> list[Any]:
        """The accepted alerts that open something, of one kind of incident."""
        found = [body for body in self.accepted if body["message_type"] in ("CRITICAL", "WARNING", "INFO")]
        return [body for body in found if not kind or body["kind"] == kind]

    def resolves(self, entity_id: str = "") -> list[Any]:
        """The accepted recoveries, of one entity."""
        found = [body for body in self.accepted if body["message_type"] == "RECOVERY"]
        return [body for body in found if not entity_id or body["entity_id"] == entity_id]


def _pagerduty_problems(body: Any) -> Iterator[str]:
    if len(body.get("routing_key", "")) != 32:
        yield "'routing_key' is invalid"
    action = body.get("event_action")
    if action not in ("trigger", "acknowledge", "resolve"):
        yield "'event_action' is invalid (must be trigger, acknowledge or resolve)"
    if not 0 < len(body.get("dedup_key", "")) <= 255:
        yield "'dedup_key' is missing or too long"
    if action == "trigger":
        payload = body.get("payload", {})
        if not 0 < len(payload.get("summary", "")) <= 1024:
            yield "'payload.summary' is missing or too long"
        if payload.get("severity") not in SEVERITIES:
            yield "'payload.severity' is invalid"
        if not payload.get("source"):
            yield "'payload.source' is missing"
    if len(json.dumps(body).encode()) > 512 * 1024:
        yield "the event is too large"


@contextmanager
def pagerduty() -> Iterator[PagerDuty]:
    """A PagerDuty that listens until the end of the block."""
    provider = PagerDuty()
    try:
        yield provider
    finally:
        provider.close()


@contextmanager
def victorops() -> Iterator[VictorOps]:
    """A Splunk On-Call that listens until the end of the block."""
    provider = VictorOps()
    try:
        yield provider
    finally:
        provider.close()


def environ_of(*providers: Provider) -> dict[str, str]:
    """The variables with which a stack alerts at all of these."""
    found: dict[str, str] = {}
    for provider in providers:
        found |= provider.environ
    return found | {"ALERT_PROVIDER": ",".join(provider.environ["ALERT_PROVIDER"] for provider in providers)}
