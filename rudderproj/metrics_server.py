"""Serving metrics: `/metrics` of the web process, and a port of its own for each process that counts, with `/health`.

Owns who may scrape. Must never answer on the public port without a token, unless METRICS_OPEN says so, and never read
the database in a worker's main process, whose children would inherit the connection.
"""

import hmac
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse

from rudderproj import metrics
from rudderproj.web_direct import direct

log = structlog.get_logger(__name__)

TEXT = "text/plain; charset=utf-8"
RETRY_SECONDS = 5.0
ROLES = ("web", "forward", "alerts")  # each a port further


def has_token(authorization: str) -> bool:
    """Whether the header carries METRICS_TOKEN; never when none is set."""
    token: str = settings.ENV["METRICS_TOKEN"]
    return bool(token) and hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


@direct
def view(request: HttpRequest) -> HttpResponse:
    """`/metrics` on the public port: with the token, or open where METRICS_OPEN says so."""
    if not settings.ENV["METRICS_TOKEN"] and not settings.ENV["METRICS_OPEN"]:
        return HttpResponse("not served here: see METRICS_TOKEN, METRICS_PORT", status=404, content_type=TEXT)
    if not settings.ENV["METRICS_OPEN"] and not has_token(request.META.get("HTTP_AUTHORIZATION", "")):
        headers = {"WWW-Authenticate": "Bearer"}
        return HttpResponse("METRICS_TOKEN needed", status=401, content_type=TEXT, headers=headers)
    return HttpResponse(_with_figures(), content_type=metrics.CONTENT_TYPE)


def _with_figures() -> bytes:
    try:
        return metrics.exposition(with_figures=True)
    finally:
        connection.close()  # the thread goes on to other requests: see web_direct


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)  # WSGIServer's own asks a name server for this host's name
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_: Any) -> None:
        """A scrape is not worth a line."""


class Endpoint:
    """A thread that serves /metrics on a port, as soon as that can be had."""

    def __init__(self, address: tuple[str, int], tell: Callable[[], bytes]) -> None:
        self._address = address
        self._tell = tell
        self._server: _Server | None = None
        os.register_at_fork(after_in_child=self._close)
        threading.Thread(target=self._run, name="metrics", daemon=True).start()

    def _run(self) -> None:
        while self._server is None:
            try:
                self._server = _Server(self._address, _Handler)
            except OSError as error:
                log.warning("metrics.port_refused", host=self._address[0], port=self._address[1], error=str(error))
                time.sleep(RETRY_SECONDS)
        self._server.set_app(self._answer)
        log.info("metrics.served", host=self._address[0], port=self._address[1])
        self._server.serve_forever()

    def _close(self) -> None:
        """In a forked child: it would keep the port when the process that serves it dies."""
        if self._server is not None:
            self._server.socket.close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/health":  # an orchestrator's question, which has no token and costs nothing
            start_response("200 OK", [("Content-Type", TEXT)])
            return [b"alive"]
        if environ["PATH_INFO"] != "/metrics":
            start_response("404 Not Found", [("Content-Type", TEXT)])
            return [b"/metrics"]
        if settings.ENV["METRICS_TOKEN"] and not has_token(environ.get("HTTP_AUTHORIZATION", "")):
            start_response("401 Unauthorized", [("Content-Type", TEXT), ("WWW-Authenticate", "Bearer")])
            return [b"METRICS_TOKEN needed"]
        start_response("200 OK", [("Content-Type", metrics.CONTENT_TYPE)])
        return [self._tell()]


def start(role: str) -> None:
    """Serve this process's metrics on its own port, if METRICS_PORT is set."""
    if not settings.ENV["METRICS_PORT"]:
        return
    address = (settings.ENV["METRICS_HOST"], settings.ENV["METRICS_PORT"] + ROLES.index(role))
    Endpoint(address, _with_figures if role == "web" else lambda: metrics.exposition(with_figures=False))


def start_web() -> None:
    """Called by the web process."""
    start("web")
