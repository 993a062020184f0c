"""Serving on a socket that is open already, from the first request to the last.

Owns the order of the end: new requests are told to come back, what is in flight is finished, the socket is closed,
what apps hold is flushed. Must never import an app; they plug in through rudderproj.web_hooks.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from typing import Any

import django
import structlog
import uvloop
from django.conf import settings
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from rudderproj import health, metrics_server, sentry, web_hooks
from rudderproj.listening import BACKLOG
from rudderproj.serving import require_settings
from rudderproj.web_body import BodyReader
from rudderproj.web_shell import Shell

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 10.0  # after this, whoever is still sending a body is turned away; the supervisor kills after 30
CLOSE_SECONDS = 5  # when all is answered, for clients that are slow to read it, or stopped amid their headers
HEADER_TIMEOUT_MS = 30_000  # also how long an idle connection is kept
# granian would print lines of its own; its warnings join our log.
GRANIAN_LOG = {"loggers": {"_granian": {"propagate": True}}, "handlers": {}, "formatters": {}}


class _Server(Server):
    """granian's server on a listening socket of ours, which it closes at its end."""

    def __init__(self, listener: socket.socket, shell: Shell, **options: Any) -> None:
        self._listener = listener
        super().__init__(shell, **options)
        self.workers_kill_timeout = CLOSE_SECONDS

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._shd = SocketHolder(self._listener.detach(), False, BACKLOG)  # type: ignore[assignment, call-arg]


def raise_file_limit() -> int:
    """Allow as many sockets as the system lets us; returns how many files that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    if wanted > soft:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft


def _shell(bodies: BodyReader) -> Shell:
    from rudderproj.wsgi import application

    env = settings.ENV
    # A commit has its own limit; this one is for a database that does not even say no.
    wait_seconds = env["INGEST_COMMIT_TIMEOUT_SECONDS"] + 1
    address = (env["WEB_HOST"], str(env["WEB_PORT"]))
    return Shell(application, bodies, address, env["WEB_THREADS"], env["WEB_MAX_REQUESTS"], wait_seconds)


async def serve(listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight."""
    env = settings.ENV
    bodies = BodyReader(env["INGEST_MAX_BODY_BYTES"], env["WEB_BODY_MEMORY_BYTES"], env["INGEST_BODY_TIMEOUT_SECONDS"])
    shell = _shell(bodies)
    server = _Server(
        listener,
        shell,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        websockets=False,
        backpressure=max(128, raise_file_limit() - 256),
        log_level=LogLevels.error,
        log_dictconfig=GRANIAN_LOG,
    )
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async def end() -> None:
        await stopping.wait()
        log.info("web.stopping")
        loop.call_later(DRAIN_SECONDS, bodies.drain)
        await shell.drain()
        server.stop()  # type: ignore[no-untyped-call]

    ending = loop.create_task(end())
    health.watch.last()  # starts looking, so that the first to ask is told
    log.info("web.started", host=env["WEB_HOST"], port=env["WEB_PORT"], pid=os.getpid())
    with contextlib.suppress(TimeoutError):  # somebody's connection is still open
        await server.serve()
    await ending
    await shell.finish()
    log.info("web.stopped")


def run(listener: socket.socket) -> None:
    """Serve on the socket to an orderly end. Ends the process where the settings do not allow to serve."""
    django.setup()
    require_settings()
    sentry.start("web")
    metrics_server.start_web()
    web_hooks.run_at_start()
    try:
        uvloop.run(serve(listener))
    finally:
        web_hooks.run_at_stop()
