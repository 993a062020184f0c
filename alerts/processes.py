"""Which long-running processes live: each keeps one row that says when it was last seen.

Each holds a connection for that: to open one costs the database more than what is said over it. What a
worker's main process holds its children inherit, and neither use nor close. Must never disturb the process it speaks
for: a database that is away costs a log line.
"""

import atexit
import os
import socket
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import structlog
from celery.signals import beat_init, worker_ready
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts.models import Process
from rudderproj import db
from rudderproj.celery import FORWARD_QUEUE

log = structlog.get_logger(__name__)

BEAT_SECONDS = 10.0
STATEMENT_SECONDS = 2.0
HIDDEN_SECONDS = 60  # a process unseen for this long is not shown any more
GONE_SECONDS = 30  # and after this long another may take over its node
NODES_A_HOST = 64

# A node may be taken over from the pid that was seen on it before, and from nobody else.
_TAKE = """
INSERT INTO alerts_process (role, node, pid, started_at, last_seen_at)
VALUES (%(role)s, %(node)s, %(pid)s, %(started_at)s, now())
ON CONFLICT (role, node) DO UPDATE SET pid = excluded.pid, started_at = excluded.started_at, last_seen_at = now()
WHERE alerts_process.pid = %(former)s
"""
_BEAT = "UPDATE alerts_process SET last_seen_at = now() WHERE role = %(role)s AND node = %(node)s AND pid = %(pid)s"
_LEAVE = "DELETE FROM alerts_process WHERE role = %(role)s AND node = %(node)s AND pid = %(pid)s"
_SEEN = """
SELECT pid, last_seen_at < now() - make_interval(secs => %(gone)s) FROM alerts_process
WHERE role = %(role)s AND node = %(node)s
"""


def living(seconds: float = HIDDEN_SECONDS) -> QuerySet[Process]:
    """The processes seen within so many seconds."""
    return Process.objects.filter(last_seen_at__gte=timezone.now() - timedelta(seconds=seconds))


class Heartbeat:
    """The thread that keeps one process's row, from start to a clean end."""

    def __init__(self, role: str) -> None:
        self._row: dict[str, Any] = {
            "role": role,
            "node": "",
            "pid": os.getpid(),
            "started_at": timezone.now(),
            "gone": GONE_SECONDS,
        }
        self._database = db.Kept("heartbeat", STATEMENT_SECONDS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; the row goes away when the process ends cleanly."""
        atexit.register(self.stop)
        self._thread.start()

    def stop(self) -> None:
        """End and remove the row. Does nothing in a forked child."""
        if os.getpid() == self._row["pid"] and not self._stopping.is_set():
            self._stopping.set()
            self._thread.join(BEAT_SECONDS)
            self._quietly(lambda cursor: cursor.execute(_LEAVE, self._row))
            self._database.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._quietly(self._beat)
            self._stopping.wait(BEAT_SECONDS)

    def _beat(self, cursor: Any) -> None:
        if self._row["node"]:
            cursor.execute(_BEAT, self._row)
        if not self._row["node"] or not cursor.rowcount:
            self._take(cursor)

    def _take(self, cursor: Any) -> None:
        """Find the node that this process is: the configured one, else the first of its host and role that is free."""
        names = [settings.ENV["NODE_ID"]] if settings.ENV["NODE_ID"] else _names(self._row["role"])
        for name in names:
            row = self._row | {"node": name}
            cursor.execute(_SEEN, row)
            former, is_gone = cursor.fetchone() or (0, True)
            if len(names) == 1 or is_gone or former == row["pid"] or not _is_alive(former):
                cursor.execute(_TAKE, row | {"former": former})
                if cursor.rowcount:
                    self._row = row
                    return

    def _quietly(self, work: Callable[[Any], None]) -> None:
        def over(raw: Connection) -> None:
            with raw.cursor() as cursor:
                work(cursor)

        try:
            self._database.run(over)
        except psycopg2.Error as error:
            log.info("heartbeat.missed", error=str(error).strip())


def _names(role: str) -> list[str]:
    return [f"{socket.gethostname()}-{role}-{index}" for index in range(NODES_A_HOST)]


def _is_alive(pid: int) -> bool:
    """Whether a process of this host has the pid."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_heartbeat: Heartbeat | None = None


def start(role: str) -> None:
    """Say from now on that this process lives, as `role`. Does nothing the second time."""
    global _heartbeat
    if _heartbeat is None:
        _heartbeat = Heartbeat(role)
        _heartbeat.start()


def start_web() -> None:
    """Called by the web process."""
    start(Process.Role.WEB)


def connect_to_celery() -> None:
    """Have Celery's own processes say that they live. Flower sends no signal: its command line tells."""
    if Path(sys.argv[0]).name in {"celery", "__main__.py"} and "flower" in sys.argv[1:]:
        start(Process.Role.FLOWER)
    worker_ready.connect(_worker_ready, weak=False, dispatch_uid="alerts.processes")
    beat_init.connect(_beat_ready, weak=False, dispatch_uid="alerts.processes")


def _worker_ready(sender: Any, **_: Any) -> None:
    """In the worker's main process, once its pool stands."""
    start(Process.Role.FORWARD if FORWARD_QUEUE in sender.app.amqp.queues.consume_from else Process.Role.ALERTS)


def _beat_ready(**_: Any) -> None:
    start(Process.Role.BEAT)
