"""A destination that takes everything and remembers it."""

import http.server
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.stubs.server import Server

PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Delivered:
    """One request that arrived. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Sink:
    """A threaded HTTP server. `deliveries` is in order of arrival."""

    def __init__(self) -> None:
        self.deliveries: list[Delivered] = []
        self._forgotten: set[str] = set()
        self._arrived = threading.Condition()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                # Noted before it is answered: what comes next of this user comes after it.
                sink.note(Delivered(self.command, self.path, headers, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def forget(self) -> None:
        """Begin anew: what has arrived is not counted any more, nor when it comes again."""
        with self._arrived:
            self._forgotten.update(self.message_ids())
            self.deliveries.clear()

    def note(self, delivered: Delivered) -> None:
        with self._arrived:
            if delivered.body["messageId"] not in self._forgotten:
                self.deliveries.append(delivered)
            self._arrived.notify_all()

    def wait(self, count: int) -> list[Delivered]:
        """Wait until `count` different events have arrived; all deliveries so far."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._arrived:
            while len(set(self.message_ids())) < count:
                self._arrived.wait(1)
                assert time.monotonic() < deadline, f"{len(set(self.message_ids()))} of {count} arrived"
            return list(self.deliveries)

    def message_ids(self) -> list[str]:
        return [delivered.body["messageId"] for delivered in self.deliveries]

    def by_user(self) -> dict[str, list[Any]]:
        """The events of each user (anonymousId, else userId) in order of first arrival, repetitions left out."""
        users: dict[str, dict[str, Any]] = defaultdict(dict)
        for delivered in list(self.deliveries):
            event = delivered.body
            users[event.get("anonymousId") or event["userId"]].setdefault(event["messageId"], event)
        return {user: list(events.values()) for user, events in users.items()}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()


@contextmanager
def recording() -> Iterator[Sink]:
    """A sink that listens until the end of the block."""
    sink = Sink()
    sink.serve()
    try:
        yield sink
    finally:
        sink.close()
