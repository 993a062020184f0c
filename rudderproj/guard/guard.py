"""One guard: a life from its start to its end, with what is noted of it.

The order is what makes it exact: a record is kept before the folder says so, the intention to stop before the signal is
passed on, and a restart that counts is judged before the command starts. Must never keep its process from starting for
longer than PATIENCE_SECONDS beside that judgement.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

from rudderproj import flight
from rudderproj.guard import clock, life, oom, report, ring, say, words
from rudderproj.guard.child import Child
from rudderproj.guard.folder import Folder
from rudderproj.guard.life import Life
from rudderproj.guard.registrar import Registrar
from rudderproj.guard.spool import Spool
from rudderproj.stack.saved import ROOT

PATIENCE_SECONDS = 2.5  # for the database, at a start and at an end
JUDGE_SECONDS = 10.0
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


class Guard:
    """Guards one process of one identity."""

    def __init__(self, role: str, node: str, folder: Folder, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, dict(environ)
        run, boot = environ.get("RUN_ID", ""), clock.boot_id()
        self._life = Life(role, node, run, boot, os.getpid(), clock.seconds())
        self._registrar = Registrar(Spool(folder.spool()))
        self._asked_by = 0
        self._is_asked_noted = False
        self._oom_kills = oom.kills()
        self._former_words = ring.read(folder.path / "log") if folder.path else b""
        self._ring: ring.Ring | None = None
        self._child = Child(self._heard)

    def run(self, command: Sequence[str]) -> int:
        """Start it, watch it, note its end; our exit status."""
        for number in STOPS:
            signal.signal(number, self._stop)
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: self._child.signal(number))
        self._begin()
        if self._asked_by:
            self._end(life.ASKED)
            return 128 + self._asked_by
        self._child.start(command, self._child_environ())
        if self._asked_by:  # before there was anybody to pass it on to
            self._child.signal(self._asked_by)
        status = self._child.watch(self._note_asked)
        self._finish(status)
        return status if status >= 0 else 128 - status

    # The beginning

    def _begin(self) -> None:
        """Note the start, and whether it comes after a crash; judge at once if that was one too many."""
        former = self._folder.read_life()
        if former and life.came_back(former, self._life):
            self._registrar.add(_restart(former) if former.end else self._unseen(former))
        if self._folder.is_alone:
            self._registrar.add(_told(self._life) | {"do": "start", "ask": former is None})
        self._folder.write_life(self._life)
        self._folder.sweep()
        self._ring = ring.Ring(self._folder.path / "log" if self._folder.path else None)
        self._registrar.start()
        if self._registrar.settle(PATIENCE_SECONDS) and self._registrar.counted and not self._asked_by:
            self._judge()

    def _unseen(self, former: Life) -> dict[str, Any]:
        """The record of a crash that took the guard along: known by what it left behind."""
        log = words.readable(self._former_words)
        return _crash_of(former) | {
            "is_back": True,
            "summary": f"{former.role} {former.node} was killed together with its guard",
            "log": log,
            "traceback": words.traceback_of(log),
            "in_flight": self._folder.in_flight(),
            "environment": report.environment(),
        }

    def _judge(self) -> None:
        """Let alerts.recovery look whether restarts are too many, before the command may crash again.

        For every role: the alerts worker, which looks too, may be what crashes, and would tell of nobody's loop.
        """
        command = [sys.executable, "-m", "alerts.recovery"]
        environ = self._environ | {"DJANGO_SETTINGS_MODULE": "alerts.recovery.settings"}
        try:
            subprocess.run(command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, timeout=JUDGE_SECONDS, check=False)
        except (OSError, subprocess.SubprocessError) as error:
            say(f"restarts not judged: {error}")

    def _child_environ(self) -> dict[str, str]:
        own = {"NODE_ID": self._life.node, "PYTHONFAULTHANDLER": "1"}
        if self._folder.path:
            own[flight.FOLDER_VARIABLE] = str(self._folder.path)
        return self._environ | own

    # Between

    def _heard(self, data: bytes) -> None:
        if self._ring:
            self._ring.write(data)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        """Somebody asks for the end: whatever comes of it, also a kill after the grace period, is no crash."""
        self._asked_by = signal.SIGTERM if number == signal.SIGHUP else number  # a worker would begin anew at HUP
        self._folder.write_life(replace(self._life, end=life.ASKED))
        if number in (signal.SIGTERM, signal.SIGHUP) or not _is_in_foreground():  # else it got that from the terminal
            self._child.signal(self._asked_by)

    def _note_asked(self) -> None:
        if self._asked_by and not self._is_asked_noted:
            self._is_asked_noted = True
            self._note_end(life.ASKED)

    # The end

    def _finish(self, status: int) -> None:
        asked = self._asked_by or -status in STOPS  # by whoever knew its pid
        if asked or status == 0:
            self._end(life.ASKED if asked else life.CLEAN)
            return
        self._registrar.add(self._seen(status))
        self._end(life.CRASHED)

    def _end(self, end: str) -> None:
        self._folder.write_life(replace(self._life, end=end))
        self._note_end(end)
        self._registrar.settle(PATIENCE_SECONDS, until_refused=self._folder.lasts)
        self._folder.close()

    def _note_end(self, end: str) -> None:
        if self._folder.is_alone:
            self._registrar.add(_told(self._life) | {"do": "end", "end": end})

    def _seen(self, status: int) -> dict[str, Any]:
        """The record of a crash that the guard saw. Only for want of memory events may be to blame: pools run them."""
        uptime = clock.seconds() - self._life.started
        how = f"by {words.signal_name(-status)}" if status < 0 else f"with status {status}"
        is_oom = -status == signal.SIGKILL and oom.kills() > self._oom_kills
        how += ", out of memory," if is_oom else ""
        log = words.readable(self._ring.read() if self._ring else b"")
        return _crash_of(self._life) | {
            "pid": self._child.pid,
            "exit_status": status if status >= 0 else None,
            "signal": words.signal_name(-status) if status < 0 else "",
            "is_oom": is_oom,
            "uptime_seconds": round(uptime, 3),
            "summary": f"{self._life.role} {self._life.node} ended {how} after {uptime:.0f} s",
            "log": log,
            "traceback": words.traceback_of(log),
            "in_flight": self._folder.in_flight() if is_oom else [],
            "environment": report.environment(),
        }


def _told(who: Life) -> dict[str, Any]:
    return {"role": who.role, "node": who.node[:200], "run": who.run, "boot": who.boot, "pid": who.pid}


def _crash_of(who: Life) -> dict[str, Any]:
    return _told(who) | {"do": "crash", "id": who.crash_id, "kind": "process"}


def _restart(former: Life) -> dict[str, Any]:
    return {"do": "restart", "id": former.crash_id}


def _is_in_foreground() -> bool:
    """Whether a terminal's Ctrl-C reaches the command by itself."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
