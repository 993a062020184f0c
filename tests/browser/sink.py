"""A destination for what a person tries in a browser: it refuses the events it is told to refuse."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.stack.harness import eventually
from tests.stubs.server import Server


class Sink(Server):
    """Answers 200 and remembers the event, or 400 for an event name in `refused`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict[str, Any]] = []
        self.refused: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def names(self) -> list[str]:
        """Of the events that were taken, in order."""
        return [event.get("event", "") for event in self.events]

    def wait_for(self, name: str) -> None:
        """Until an event of that name was taken."""
        eventually(lambda: name in self.names())


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Sink
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        refused = event.get("event") in self.server.refused
        if not refused:
            self.server.events.append(event)
        body = b'{"error": "unknown currency"}' if refused else b'{"ok": true}'
        self.send_response(400 if refused else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def listening() -> Iterator[Sink]:
    """A sink that listens until the end of the block."""
    sink = Sink()
    thread = threading.Thread(target=sink.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.shutdown()
        sink.server_close()
