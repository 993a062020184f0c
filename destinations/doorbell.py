"""Ringing: telling a worker that a destination may have work. A message carries no event.

Owns the coalescing: one key a destination in Valkey says that it was rung or that a link is running, so that a busy
destination costs no messages: its links hear of events by what is published. Must never block a request or decide
durability: lost rings are found by the sweep.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import orjson
import psycopg2
import structlog
from kombu.exceptions import OperationalError
from psycopg2.extensions import connection as Connection  # noqa: N812
from redis.exceptions import RedisError

from rudderproj import db, metrics
from rudderproj.celery import FORWARD_QUEUE, app

log = structlog.get_logger(__name__)

Lanes: TypeAlias = Mapping[int, Collection[int]]  # numbers by source id

LINK = "destinations.forward"
NEWS = "rudderproj:news"  # where News is published of destinations that were not rung: a link may be running
SWEPT = "rudderproj:swept"  # that the sweep was made a moment ago
BROKER_AWAY = (OperationalError, RedisError, OSError)
RUNG_MS = 1000  # a ring that nobody answered may be repeated after this long
QUEUED_MS = 100  # and this for each message before it: rings repeated while they wait would only lengthen the queue
RUNG_MOST_MS = 30_000
RUNNING_MS = 2500  # a link that stopped saying so is taken for dead after this long
MESSAGE_SECONDS = 120  # a ring is worthless later: the sweep has rung again. Clocks may differ by almost as much
SWEPT_MS = 1500
QUEUED_MESSAGES = 5000  # beyond which nobody listens, and more rings would only fill the broker
INTERVAL_SECONDS = 0.01  # events of this long share a ring
CONNECTIONS_SECONDS = 1.0  # how old the cached connections may be
STATEMENT_SECONDS = 2.0  # to read them


def _key(destination_id: int) -> str:
    return f"rudderproj:bell:{destination_id}"


class News(NamedTuple):
    """That there may be events for these destinations: in these lanes, by source, or None for any."""

    destination_ids: Collection[int]
    lanes: Lanes | None

    def dumped(self) -> bytes:
        """As it is published: [[1, 2], {"7": [0, 63]}]."""
        lanes = None if self.lanes is None else {str(source): list(numbers) for source, numbers in self.lanes.items()}
        return orjson.dumps([list(self.destination_ids), lanes])

    @classmethod
    def loaded(cls, data: bytes) -> "News":
        """Raises ValueError, or whatever else nonsense leads to."""
        destination_ids, lanes = orjson.loads(data)
        return cls(destination_ids, None if lanes is None else {int(source): lanes[source] for source in lanes})


def channel(client: Any) -> str:
    """Where news are published: by the database's number, for a channel is of all databases of a Valkey."""
    number = client.get_connection_kwargs().get("db")
    return f"{NEWS}:{number}" if number else NEWS


def ring(destination_ids: Iterable[int], lanes: Lanes | None = None) -> int:
    """Send one message for each destination that is neither rung nor running; returns how many.

    Links of the others hear of it, and in which lanes if that is known. Raises one of BROKER_AWAY.
    """
    wanted = list(destination_ids)
    with app.producer_or_acquire() as producer:
        client = producer.channel.client
        first = _mark_rung(client, wanted)
        if len(first) < len(wanted):
            client.publish(channel(client), News([one for one in wanted if one not in first], lanes).dumped())
        for destination_id in first:
            _send(producer, destination_id)
    return len(first)


def _mark_rung(client: Any, wanted: list[int]) -> set[int]:
    """Mark those that neither are rung nor run, for as long as their turn may take; none while nobody listens."""
    queued = client.llen(FORWARD_QUEUE)
    if queued >= QUEUED_MESSAGES:
        return set()
    pipeline = client.pipeline(transaction=False)
    for destination_id in wanted:
        pipeline.set(_key(destination_id), "rung", nx=True, px=min(RUNG_MS + queued * QUEUED_MS, RUNG_MOST_MS))
    return {destination_id for destination_id, is_set in zip(wanted, pipeline.execute(), strict=True) if is_set}


def _send(producer: Any, destination_id: int) -> None:
    app.send_task(LINK, [destination_id], queue=FORWARD_QUEUE, expires=MESSAGE_SECONDS, producer=producer, retry=False)


def ring_quietly(destination_ids: Iterable[int], lanes: Lanes | None = None) -> None:
    """ring, when nothing can be done about a broker that is away: the sweep rings again once it is back."""
    try:
        ring(destination_ids, lanes)
    except BROKER_AWAY as error:
        metrics.BROKER_ERRORS.add(1, "ring")
        log.warning("bell.ring_failed", error=str(error))


def tell_quietly(destination_ids: Collection[int]) -> None:
    """Have the links of these destinations look into all their lanes, if the broker is there to tell them."""
    _quietly(lambda client: client.publish(channel(client), News(destination_ids, None).dumped()))


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

    None when there is none. It is gone from the queue: a process that dies now leaves it to the sweep. Raises one of
    BROKER_AWAY.
    """
    with app.producer_or_acquire() as producer:
        forward = app.amqp.queues[FORWARD_QUEUE].bind(producer.channel)
        while (message := forward.get(no_ack=True)) is not None:
            expires = message.headers.get("expires")
            if expires is None or datetime.fromisoformat(expires) > datetime.now(UTC):
                return Message(message.headers["task"], message.decode()[0])
    return None


def mark(running: Mapping[int, bool]) -> None:
    """Say of which destinations a link is running, so that nobody rings for a while, and which may be rung again."""

    def write(client: Any) -> None:
        pipeline = client.pipeline(transaction=False)
        for destination_id, is_running in running.items():
            if is_running:
                pipeline.set(_key(destination_id), "running", px=RUNNING_MS)
            else:
                pipeline.delete(_key(destination_id))
        pipeline.execute()

    _quietly(write)


def note_swept() -> None:
    """Say that every destination with work was rung a moment ago."""
    _quietly(lambda client: client.set(SWEPT, 1, px=SWEPT_MS))


def is_swept() -> bool:
    """Whether somebody said so. Raises one of BROKER_AWAY."""
    with app.producer_or_acquire() as producer:
        return bool(producer.channel.client.exists(SWEPT))


def _quietly(use: Callable[[Any], object]) -> None:
    """Use the broker's client, for what is not worth failing for."""
    try:
        with app.producer_or_acquire() as producer:
            use(producer.channel.client)
    except BROKER_AWAY as error:
        metrics.BROKER_ERRORS.add(1, "mark")
        log.warning("bell.mark_failed", error=str(error))


_database = db.Kept("doorbell", STATEMENT_SECONDS)


def _connections(raw: Connection) -> list[tuple[int, int]]:
    with raw.cursor() as cursor:
        cursor.execute("SELECT source_id, destination_id FROM destinations_connection")
        return cursor.fetchall()


class Bell:
    """A thread that rings for the sources that were stored to, many events a ring."""

    def __init__(self) -> None:
        self._pressed: queue.SimpleQueue[Lanes] = queue.SimpleQueue()
        self._destinations: dict[int, set[int]] = {}
        self._read_at = 0.0
        threading.Thread(target=self._run, name="doorbell", daemon=True).start()

    def press(self, lanes: Lanes) -> None:
        """Ring soon for every destination of these sources. Never blocks."""
        self._pressed.put(lanes)

    def _run(self) -> None:
        while True:
            lanes: defaultdict[int, set[int]] = defaultdict(set)
            self._gather(lanes, self._pressed.get())
            while not self._pressed.empty():
                self._gather(lanes, self._pressed.get())
            try:
                connected = self._connected()
                ring_quietly({d for source in lanes for d in connected.get(source, ())}, lanes)
            except psycopg2.Error as error:
                log.warning("bell.connections_unread", error=str(error).strip())
            except Exception:  # without this thread all events of the process would wait for the sweep
                log.exception("bell.failed")
            time.sleep(INTERVAL_SECONDS)

    @staticmethod
    def _gather(lanes: defaultdict[int, set[int]], more: Lanes) -> None:
        for source, numbers in more.items():
            lanes[source].update(numbers)

    def _connected(self) -> dict[int, set[int]]:
        if time.monotonic() - self._read_at > CONNECTIONS_SECONDS:
            connected: dict[int, set[int]] = defaultdict(set)
            for source, destination in _database.run(_connections):
                connected[source].add(destination)
            self._destinations, self._read_at = connected, time.monotonic()
        return self._destinations


_bell: Bell | None = None
_lock = threading.Lock()


def on_events_stored(*, lanes: Lanes, **_: object) -> None:
    """Receiver of ingest.signals.events_stored, called in the log's writer thread."""
    global _bell
    with _lock:
        if _bell is None:
            _bell = Bell()
    _bell.press(lanes)
