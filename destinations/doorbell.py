"""Ringing: telling a worker that a destination may have work. A message carries no event.

Owns the coalescing: one key a destination in Valkey says that it was rung or that a link is running, so that a busy
destination costs no messages. Must never block a request or decide durability: lost rings are found by the sweep.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from django.db import DatabaseError, connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from destinations.models import Connection
from rudderproj import metrics
from rudderproj.celery import FORWARD_QUEUE, app

log = structlog.get_logger(__name__)

LINK = "destinations.forward"
BROKER_AWAY = (OperationalError, RedisError, OSError)
RUNG_MS = 1000  # a ring that nobody answered may be repeated after this long
RUNNING_MS = 1500  # a link that stopped saying so is taken for dead after this long
MESSAGE_SECONDS = 120  # a ring is worthless later: the sweep has rung again. Clocks may differ by almost as much
QUEUED_MESSAGES = 5000  # beyond which nobody listens, and more rings would only fill the broker
INTERVAL_SECONDS = 0.01  # events of this long share a ring
CONNECTIONS_SECONDS = 1.0  # how old the cached connections may be


def _key(destination_id: int) -> str:
    return f"rudderproj:bell:{destination_id}"


def ring(destination_ids: Iterable[int]) -> int:
    """Send one message for each destination that is neither rung nor running; returns how many.

    Raises one of BROKER_AWAY.
    """
    wanted = list(destination_ids)
    sent = 0
    with app.producer_or_acquire() as producer:
        pipeline = producer.channel.client.pipeline(transaction=False)
        for destination_id in wanted:
            pipeline.set(_key(destination_id), "rung", nx=True, px=RUNG_MS)
        pipeline.llen(FORWARD_QUEUE)
        *firsts, queued = pipeline.execute()
        for destination_id, first in zip(wanted, firsts, strict=True):
            if first and queued < QUEUED_MESSAGES:
                _send(producer, destination_id)
                sent += 1
    return sent


def _send(producer: Any, destination_id: int) -> None:
    app.send_task(LINK, [destination_id], queue=FORWARD_QUEUE, expires=MESSAGE_SECONDS, producer=producer, retry=False)


def ring_quietly(destination_ids: Iterable[int]) -> None:
    """ring, when nothing can be done about a broker that is away: the sweep rings again once it is back."""
    try:
        ring(destination_ids)
    except BROKER_AWAY as error:
        metrics.BROKER_ERRORS.add(1, "ring")
        log.warning("bell.ring_failed", error=str(error))


def call(destination_id: int) -> None:
    """Send a message whatever was rung before: there is more work than the caller can do."""
    try:
        with app.producer_or_acquire() as producer:
            _send(producer, destination_id)
    except BROKER_AWAY as error:
        metrics.BROKER_ERRORS.add(1, "ring")
        log.warning("bell.ring_failed", error=str(error))


class Message(NamedTuple):
    """A message of the forward queue."""

    task: str
    args: list[Any]


def take() -> Message | None:
    """Take the next message of the forward queue that is worth something, in place of the worker's main process.

    None when there is none. It is gone from the queue: a process that dies now leaves it to the sweep.
    """
    try:
        with app.producer_or_acquire() as producer:
            forward = app.amqp.queues[FORWARD_QUEUE].bind(producer.channel)
            while (message := forward.get(no_ack=True)) is not None:
                expires = message.headers.get("expires")
                if expires is None or datetime.fromisoformat(expires) > datetime.now(UTC):
                    return Message(message.headers["task"], message.decode()[0])
    except BROKER_AWAY as error:
        log.warning("bell.take_failed", error=str(error))
    return None


def mark_running(destination_id: int) -> None:
    """Say that a link of this destination is running, so that nobody rings for a while."""
    _with_client("set", _key(destination_id), "running", px=RUNNING_MS)


def mark_idle(destination_id: int) -> None:
    """Let the destination be rung again. The caller looks for work once more afterwards."""
    _with_client("delete", _key(destination_id))


def _with_client(method: str, *args: Any, **kwargs: Any) -> None:
    try:
        with app.producer_or_acquire() as producer:
            getattr(producer.channel.client, method)(*args, **kwargs)
    except BROKER_AWAY as error:
        metrics.BROKER_ERRORS.add(1, "mark")
        log.warning("bell.mark_failed", error=str(error))


class Bell:
    """A thread that rings for the sources that were stored to, many events a ring."""

    def __init__(self) -> None:
        self._pressed: queue.SimpleQueue[set[int]] = queue.SimpleQueue()
        self._destinations: dict[int, set[int]] = {}
        self._read_at = 0.0
        threading.Thread(target=self._run, name="doorbell", daemon=True).start()

    def press(self, source_ids: set[int]) -> None:
        """Ring soon for every destination of these sources. Never blocks."""
        self._pressed.put(source_ids)

    def _run(self) -> None:
        while True:
            sources = self._pressed.get()
            while not self._pressed.empty():
                sources |= self._pressed.get()
            try:
                connected = self._connected()
                ring_quietly({d for source in sources for d in connected.get(source, ())})
            except DatabaseError as error:
                log.warning("bell.connections_unread", error=str(error).strip())
            time.sleep(INTERVAL_SECONDS)

    def _connected(self) -> dict[int, set[int]]:
        if time.monotonic() - self._read_at > CONNECTIONS_SECONDS:
            connected: dict[int, set[int]] = defaultdict(set)
            try:
                for source, destination in Connection.objects.values_list("source_id", "destination_id"):
                    connected[source].add(destination)
            finally:
                connection.close()  # a thread's connection is nobody else's to close, and is needed once a second
            self._destinations, self._read_at = connected, time.monotonic()
        return self._destinations


_bell: Bell | None = None
_lock = threading.Lock()


def on_events_stored(*, source_ids: set[int], **_: object) -> None:
    """Receiver of ingest.signals.events_stored, called in the log's writer thread."""
    global _bell
    with _lock:
        if _bell is None:
            _bell = Bell()
    _bell.press(source_ids)
