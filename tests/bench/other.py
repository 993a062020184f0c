"""Another server with the ingest API, which forwards each event to one URL, in order unless it is spoilt on purpose."""

import contextlib
import http.client
import json
import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, TypeAlias

from tests.stubs.server import Server

Event: TypeAlias = dict[str, Any]
Spoil: TypeAlias = Callable[[list[Event]], list[Event]]


class _Server(Server):
    def __init__(self, sink_port: int, spoil: Spoil, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.spoil = status, spoil
        self.accepted: queue.Queue[list[Event]] = queue.Queue()
        self.sink_port = sink_port

    def forward(self) -> None:
        """Until an empty batch: send what was accepted."""
        sink = http.client.HTTPConnection("127.0.0.1", self.sink_port)
        for batch in iter(self.accepted.get, []):
            for event in self.spoil(batch):
                sink.request("POST", "/", json.dumps(event))
                sink.getresponse().read()
        sink.close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.accepted.put(body["batch"] if self.path == "/v1/batch" else [body])
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running(sink_port: int, spoil: Spoil = list, status: int = 200) -> Iterator[str]:
    """Its URL, until the end of the block."""
    server = _Server(sink_port, spoil, status)
    threads = [threading.Thread(target=work, daemon=True) for work in (server.serve_forever, server.forward)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.accepted.put([])
        for thread in threads:
            thread.join()
        server.server_close()
