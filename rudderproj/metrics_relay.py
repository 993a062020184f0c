"""From a worker's child processes to its main process: what they count, in datagrams.

A child may be killed at any moment and there are new ones all the time, so nothing of theirs is kept in files or
scraped from them: what was sent is counted, however the child ends. Must never make a child wait for its parent.
"""

import contextlib
import os
import socket
import threading
import time
from collections import defaultdict

import orjson
import structlog

from rudderproj import metrics
from rudderproj.metrics import Recorder

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 0.5  # what a child counts is sent at least so often while it counts
VALUES = 100  # in an entry
ENTRIES = 20  # in a datagram
MOST_OBSERVATIONS = 10_000  # of one histogram: more are forgotten while the parent does not read
DATAGRAM_BYTES = 1 << 18


class Relay:
    """A pair of sockets, made before the fork: children write to one end, the parent reads from the other."""

    def __init__(self) -> None:
        self._parent, self._child = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._pid = os.getpid()
        self._recorders = {recorder.definition.name: recorder for recorder in metrics.RECORDERS}
        self._start_anew()

    def in_child(self) -> None:
        """After the fork: count here from now on what the parent shall tell."""
        self._start_anew()
        Recorder.relay = self

    def note(self, recorder: Recorder, labels: tuple[str, ...], value: float) -> None:
        """In a child: keep it, and send what has gathered now and then."""
        with self._lock:
            name = recorder.definition.name
            if recorder.definition.kind == "counter":
                self._counts[name, labels] += value
            elif len(self._observed[name, labels]) < MOST_OBSERVATIONS:
                self._observed[name, labels].append(value)
            if time.monotonic() > self._sent_at + INTERVAL_SECONDS:
                self._send()

    def flush(self) -> None:
        """In a child: send what has gathered. What the parent is too slow to take is kept for the next time."""
        with self._lock:
            self._send()

    def read(self) -> None:
        """In the parent: count what children send, for ever."""
        while True:
            try:
                for name, labels, values in orjson.loads(self._parent.recv(DATAGRAM_BYTES)):
                    add = self._recorders[name].bound(*labels)  # the look-up costs more than the addition
                    for value in values:
                        add(value)
            except (ValueError, KeyError, OSError):
                log.exception("metrics.datagram_lost")

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # the parent's may have been held at the fork
        self._counts: defaultdict[tuple[str, tuple[str, ...]], float] = defaultdict(float)
        self._observed: defaultdict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)
        self._sent_at = time.monotonic()

    def _send(self) -> None:
        self._sent_at = time.monotonic()
        entries = [(name, labels, [value]) for (name, labels), value in self._counts.items()]
        for (name, labels), values in self._observed.items():
            entries += [(name, labels, values[at : at + VALUES]) for at in range(0, len(values), VALUES)]
        sent = 0
        with contextlib.suppress(OSError):  # the buffer is full, or the parent is gone
            while sent < len(entries):
                self._child.send(orjson.dumps(entries[sent : sent + ENTRIES]), socket.MSG_DONTWAIT)
                sent += ENTRIES
        self._counts.clear()
        self._observed.clear()
        for name, labels, values in entries[sent:]:
            if self._recorders[name].definition.kind == "counter":
                self._counts[name, labels] = values[0]
            else:
                self._observed[name, labels].extend(values)


_relay: Relay | None = None


def open_relay() -> None:
    """In a worker's main process, before it forks."""
    global _relay
    if _relay is None:
        _relay = Relay()
        os.register_at_fork(after_in_child=_relay.in_child)


def read_relay() -> None:
    """In a worker's main process, once it has forked: start to count what its children send."""
    if _relay is not None:
        threading.Thread(target=_relay.read, name="metrics-relay", daemon=True).start()


def flush() -> None:
    """In a child, when a task is done."""
    if Recorder.relay is not None and _relay is not None:
        _relay.flush()
