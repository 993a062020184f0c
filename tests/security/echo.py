"""A destination that gives back everything it is sent, in the ways destinations fail."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.stubs.server import Server


class Echo(BaseHTTPRequestHandler):
    """`/STATUS/…` answers with that status and all it was sent, plain and in base64; other words name worse ways."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        way = self.path.split("/")[1].partition("?")[0]
        sent = f"{self.path}\n{self.headers}"
        if way == "hangs":
            time.sleep(1.5)
        elif way == "garbage":
            self.wfile.write(sent.encode())
        elif way == "cut":
            self._answer(500, "x" * (4096 - len(sent) // 2) + sent)
        elif way == "redirects":
            self._answer(302, sent, Location=f"http://127.0.0.1{self.path}")
        else:
            self._answer(int(way), sent + base64.b64encode(sent.encode()).decode() + json.dumps(dict(self.headers)))
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing: standard error is what the tests search."""

    def _answer(self, status: int, text: str, **headers: str) -> None:
        self.send_response(status, text[:60].replace("\n", " ") if status != 500 else None)
        for name, value in {"Content-Length": str(len(text.encode())), "X-Echo": "yes", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def echo() -> Iterator[int]:
    """Serve until the block ends; the port."""
    server = Server(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
