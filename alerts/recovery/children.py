"""Unexpected deaths of a worker's pool processes, noted by its main process.

Celery starts another one and says so in the log alone; here each is a crash with its report. Autoscaling, recycling
after so many tasks and every stop of the worker are none. Must never keep the worker's event loop waiting, or have a
connection open for longer than a statement takes: the main process forks.
"""

import atexit
import contextlib
import faulthandler
import os
import shutil
import signal
import socket
import tempfile
import threading
import uuid
from pathlib import Path
from typing import IO, Any

import structlog
from celery.signals import worker_init, worker_process_init, worker_shutdown
from django.conf import settings
from django.db import DatabaseError, connections

from alerts.recovery import evaluate
from alerts.recovery.signals import crash_recorded
from rudderproj import flight
from rudderproj.celery import FORWARD_QUEUE, app
from rudderproj.fork_safety import whole
from rudderproj.guard import clock, oom, report, ring, words
from rudderproj.guard.registrar import Registrar
from rudderproj.guard.spool import Record, Spool

log = structlog.get_logger(__name__)

# The main process forks the successor right now: better without a thread of ours at work.
AFTER_FORK_SECONDS = 0.2
NO_FOLDER = os.devnull  # in it nothing can be opened, which each of us bears
LAST_SECONDS = 2.0  # at the worker's end, for what is not in the database yet; the next guard finds it

_fault_file: IO[bytes] | None = None  # open as long as this process lives


def connect() -> None:
    """Called once, when the app is ready. Only workers hear of it."""
    worker_init.connect(_before_fork, weak=False, dispatch_uid="alerts.recovery.children")
    worker_process_init.connect(_in_child, weak=False, dispatch_uid="alerts.recovery.children")


class Burials:
    """Writes the crash of each dead pool process into the database, in threads of the main process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with contextlib.suppress(OSError):
            (folder / "spool").mkdir(mode=0o700, exist_ok=True)
        # What former processes left there is the guard's to write.
        self._registrar = Registrar(Spool(folder / "spool", take_former=False), written=self._written)
        self._is_started = False
        self._oom_kills = oom.kills()

    def bury(self, pid: int, status: int, started: float) -> None:
        """Note a death, without waiting for anything. `status` is negative for a signal."""
        if not self._is_started:
            self._is_started = True
            self._registrar.start()
        later = threading.Timer(AFTER_FORK_SECONDS, self._note, (pid, status, started, clock.moment()))
        later.daemon = True
        later.start()

    def clean(self, pid: int) -> None:
        """Remove what a process that is gone left behind."""
        self._remove(f"fault-{pid}", f"flight-{pid}")

    def _remove(self, *names: str) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()

    def settle(self) -> None:
        """Give what waits a moment: the worker ends."""
        if self._is_started:
            self._registrar.settle(LAST_SECONDS)

    def _note(self, pid: int, status: int, started: float, moment: dict[str, Any]) -> None:
        kills, self._oom_kills = self._oom_kills, oom.kills()
        role, node = identity()
        how = f"by {words.signal_name(-status)}" if status < 0 else f"with status {status}"
        is_oom = -status == signal.SIGKILL and self._oom_kills > kills
        how += ", out of memory" if is_oom else ""
        self._registrar.add(
            {
                "do": "crash",
                "id": str(uuid.uuid4()),
                "moment": moment,
                "kind": "child",
                "is_back": True,
                "role": role,
                "node": node,
                "pid": pid,
                "exit_status": status if status >= 0 else None,
                "signal": words.signal_name(-status) if status < 0 else "",
                "is_oom": is_oom,
                "uptime_seconds": round(moment["seconds"] - started, 3),
                "summary": f"a pool process of {node} ended {how}",
                "log": words.readable(ring.read(self._folder / "log")),
                "traceback": words.readable(_content(self._folder / f"fault-{pid}")).strip(),
                "in_flight": flight.read(self._folder / f"flight-{pid}"),
                "environment": report.environment(),
            }
        )
        log.error("worker.process_crashed", pid=pid, how=how, node=node)
        self._remove(f"fault-{pid}")

    def _written(self, record: Record) -> None:
        """In the registrar's thread: tell who wants to know, and look whether that was one too many.

        Only now what it held is taken away: until then nobody takes its lanes over (destinations.owner).
        """
        self._remove(f"flight-{record['pid']}")
        try:
            with whole():
                crash_recorded.send_robust(sender=Burials, crash_id=record["id"])
                evaluate()
        except DatabaseError as error:
            log.warning("recovery.not_evaluated", error=str(error).strip())
        except Exception:  # whatever a receiver does, the next death must be noted too
            log.exception("recovery.not_evaluated")
        finally:
            connections.close_all()


def identity() -> tuple[str, str]:
    """Role and node of this worker."""
    role = "forward" if FORWARD_QUEUE in app.amqp.queues.consume_from else "alerts"
    return role, settings.ENV["NODE_ID"] or f"{socket.gethostname()}-{role}-1"


def _before_fork(**_: Any) -> None:
    """In the main process, before its pool: a folder for what children leave behind, and a pool that tells."""
    from alerts.recovery import pool

    if flight.FOLDER_VARIABLE not in os.environ:  # no guard
        _make_folder()
    burials = Burials(Path(os.environ.get(flight.FOLDER_VARIABLE, NO_FOLDER)))
    pool.watch(burials)
    worker_shutdown.connect(lambda **_: burials.settle(), weak=False, dispatch_uid="alerts.recovery.children")


def _make_folder() -> None:
    """A temporary one as long as this process lives. Where none can be had deaths are noted without their details."""
    try:
        folder = tempfile.mkdtemp(prefix="rudderproj-life-")
    except OSError as error:
        log.warning("recovery.no_folder", error=str(error))
        return
    os.environ[flight.FOLDER_VARIABLE] = folder
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


def _in_child(**_: Any) -> None:
    """After the fork: a hard crash leaves its traceback where the main process finds it."""
    global _fault_file
    with contextlib.suppress(OSError):
        _fault_file = (Path(os.environ.get(flight.FOLDER_VARIABLE, NO_FOLDER)) / f"fault-{os.getpid()}").open("wb")
        faulthandler.enable(_fault_file)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
