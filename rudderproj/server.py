"""The web process: `python -m rudderproj.server`. One process, so that killing it leaves nothing that serves on.

Owns the listening socket and the order of the end: stop accepting, finish what is in flight, flush what apps hold.
Must never import an app; they plug in through rudderproj.web_hooks.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys

import django
import structlog
import uvloop
from django.conf import settings
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from rudderproj import health, metrics_server, sentry, web_hooks
from rudderproj.serving import require_settings
from rudderproj.web_body import BodyReader
from rudderproj.web_shell import Shell

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 10.0  # after this, whoever is still sending a body is turned away; the supervisor kills after 30
BACKLOG = 1024
HEADER_TIMEOUT_MS = 30_000  # also how long an idle connection is kept
# granian would print lines of its own; its warnings join our log.
GRANIAN_LOG = {"loggers": {"_granian": {"propagate": True}}, "handlers": {}, "formatters": {}}


def check_port(host: str, port: int) -> None:
    """Raise OSError if the address cannot be had. granian shares a port that another granian uses."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def raise_file_limit() -> int:
    """Allow as many sockets as the system lets us; returns how many files that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    if wanted > soft:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft


async def serve() -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight."""
    from rudderproj.wsgi import application

    env = settings.ENV
    bodies = BodyReader(env["INGEST_MAX_BODY_BYTES"], env["WEB_BODY_MEMORY_BYTES"], env["INGEST_BODY_TIMEOUT_SECONDS"])
    address = (env["WEB_HOST"], str(env["WEB_PORT"]))
    # A commit has its own limit; this one is for a database that does not even say no.
    wait_seconds = env["INGEST_COMMIT_TIMEOUT_SECONDS"] + 1
    shell = Shell(application, bodies, address, env["WEB_THREADS"], env["WEB_MAX_REQUESTS"], wait_seconds)
    server = Server(
        shell,
        address=env["WEB_HOST"],
        port=env["WEB_PORT"],
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        websockets=False,
        backlog=BACKLOG,
        backpressure=max(128, raise_file_limit() - 256),
        log_level=LogLevels.error,
        log_dictconfig=GRANIAN_LOG,
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        log.info("web.stopping")
        loop.call_later(DRAIN_SECONDS, bodies.drain)
        server.stop()  # type: ignore[no-untyped-call]

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    health.watch.last()  # starts looking, so that the first to ask is told
    log.info("web.started", host=env["WEB_HOST"], port=env["WEB_PORT"], pid=os.getpid())
    await server.serve()
    await shell.finish()
    log.info("web.stopped")


def main() -> int:
    """Run the web process; the exit status is 0 after an orderly stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")
    django.setup()
    require_settings()
    sentry.start("web")
    try:
        check_port(settings.ENV["WEB_HOST"], settings.ENV["WEB_PORT"])
    except OSError as error:
        where = f"{settings.ENV['WEB_HOST']}:{settings.ENV['WEB_PORT']}"
        print(f"rudderproj: cannot listen on {where}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    metrics_server.start_web()
    web_hooks.run_at_start()
    try:
        uvloop.run(serve())
    finally:
        web_hooks.run_at_stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
