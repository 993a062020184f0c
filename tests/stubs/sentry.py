"""Sentry as an HTTP server that takes envelopes, records the events in them, and can fail."""

import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.stubs.server import Server

PATIENCE_SECONDS = 60.0
KEY = "sentry-canary-key"


class Sentry:
    """A threaded HTTP server. `events` is in the order of arrival; `raw` holds all that was sent, as text."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self.kinds: list[str] = []
        self.status: int | None = 200  # None: it says nothing
        self._closed = threading.Event()
        sentry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if sentry.status is None:
                    sentry._closed.wait()
                known = self.path == "/api/7/envelope/" and f"sentry_key={KEY}" in self.headers.get("X-Sentry-Auth", "")
                status = sentry.status if known and sentry.status else 403
                if status == 200:
                    sentry.take(body)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.dsn = f"http://{KEY}@127.0.0.1:{self._server.server_address[1]}/7"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, body: bytes) -> None:
        """Note an envelope: a line about it, then for each item a line about that and its content."""
        self.raw.append(body.decode())
        lines = body.split(b"\n")
        for head, content in zip(lines[1::2], lines[2::2], strict=False):
            if head:
                self.kinds.append(json.loads(head)["type"])
                if self.kinds[-1] == "event":
                    self.events.append(json.loads(content))

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many events have arrived; all so far."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.events) < count:
            assert time.monotonic() < deadline, f"{len(self.events)} of {count} arrived"
            time.sleep(0.05)
        return list(self.events)

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def taking() -> Iterator[Sentry]:
    """A Sentry that listens until the end of the block."""
    sentry = Sentry()
    try:
        yield sentry
    finally:
        sentry.close()
