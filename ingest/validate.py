"""From a decoded request to rows for the log: what an event must have, and what acceptance adds to it.

Pure: time, ids and addresses are given. A bad event becomes a Rejection with its reason and never fails its
neighbours.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from ingest.config import SourceInfo
from ingest.hashing import lane_of
from ingest.statements import NewEvent, Rejection

EVENT_TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias", "merge"})
MAX_ID_BYTES = 1000  # ids are index keys; PostgreSQL refuses rows of more than about 2,700 bytes

EMPTY_BATCH = "empty batch payload"
NO_IDENTITY = "request neither has anonymousId nor userId"  # mobile SDKs look for these words
NOT_AN_OBJECT = "event is not a JSON object"
NO_TYPE = "event has no type"

Event = dict[str, Any]


class BatchError(Exception):
    """The request holds no events; the message is the answer's text."""


@dataclass(frozen=True, slots=True)
class Reception:
    """When, where and how a request came in. `event_type` is the route's; None when each event names its own."""

    source: SourceInfo
    received_at: datetime
    request_ip: str
    sent_at: str | None = None  # the SentAt header
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """One event of the request that was not accepted."""

    index: int
    message_id: str
    reason: str


@dataclass(slots=True)
class Verdict:
    """What to store, and what to tell the client."""

    events: list[NewEvent] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class _BadEventError(Exception):
    """This event is refused, with the reason as message."""


class Validator:
    """Checks and completes events. `new_id` gives a fresh message id; `max_depth` limits an event's nesting."""

    def __init__(self, new_id: Callable[[], str], max_depth: int) -> None:
        self._new_id = new_id
        self._max_depth = max_depth

    def one(self, value: Any, reception: Reception) -> Verdict:
        """Judge the event of a single-event route."""
        verdict = Verdict()
        self._judge(verdict, 0, value, reception, reception.sent_at)
        return verdict

    def batch(self, value: Any, reception: Reception) -> Verdict:
        """Judge each event of `{"batch": [...]}`. Raises BatchError when there are none."""
        events = value.get("batch") if isinstance(value, dict) else None
        if not isinstance(events, list) or not events:
            raise BatchError(EMPTY_BATCH)
        sent_at = value.get("sentAt")
        if not isinstance(sent_at, str):
            sent_at = reception.sent_at
        verdict = Verdict()
        for index, event in enumerate(events):
            self._judge(verdict, index, event, reception, sent_at)
        return verdict

    def _judge(self, verdict: Verdict, index: int, value: Any, reception: Reception, sent_at: str | None) -> None:
        try:
            verdict.events.append(self._accept(value, reception, sent_at))
        except _BadEventError as bad:
            reason = str(bad)
            message_id = _shown_id(value)
            verdict.refused.append(Refused(index, message_id, reason))
            verdict.rejections.append(Rejection(reception.source.id, message_id, reason, _kept(value)))

    def _accept(self, event: Any, reception: Reception, sent_at: str | None) -> NewEvent:
        if not isinstance(event, dict):
            raise _BadEventError(NOT_AN_OBJECT)
        if _is_deeper(event, self._max_depth):
            raise _BadEventError(f"event is nested more than {self._max_depth} levels deep")
        event["type"] = reception.event_type or _type_of(event)
        message_id = self._message_id(event)
        anonymous_id, user_id = _id_of(event, "anonymousId"), _id_of(event, "userId")
        if not anonymous_id and not user_id:
            raise _BadEventError(NO_IDENTITY)
        event.pop("writeKey", None)  # a credential: Segment's web SDK repeats it in every event
        _complete(event, reception, sent_at)
        event["rudderId"] = rudder_id(user_id, anonymous_id)
        user_key = (user_id or anonymous_id) if reception.source.user_id_first else (anonymous_id or user_id)
        return NewEvent(reception.source.id, message_id, lane_of(user_key), user_key, orjson.dumps(event).decode())

    def _message_id(self, event: Event) -> str:
        given = event.get("messageId")
        if isinstance(given, str) and not given.isspace() and given:
            return _short(given, "messageId")
        event["messageId"] = message_id = self._new_id()
        return message_id


@functools.lru_cache(4096)  # the events of a batch are of one user, most of the time
def rudder_id(user_id: str, anonymous_id: str) -> str:
    """RudderStack's id of the pair: an MD5 dressed as a version 4 UUID."""
    digest = bytearray(hashlib.md5(f"{user_id}:{anonymous_id}".encode(), usedforsecurity=False).digest())
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"  # what uuid.UUID takes 4 us for


def format_time(moment: datetime) -> str:
    """UTC with milliseconds, as the SDKs write it."""
    moment = moment.astimezone(UTC)
    if not moment.microsecond:
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps(moment)[1:24].decode() + "Z"  # a quarter of isoformat's time, but it writes no .000


_format_again = functools.lru_cache(16)(format_time)  # the moment of a request, for each of its events


def parse_time(value: Any) -> datetime | None:
    """The moment that an ISO 8601 text names (UTC where it names no zone), None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _complete(event: Event, reception: Reception, batch_sent_at: str | None) -> None:
    """Add what acceptance adds: times, corrected for the client's clock where it tells, and the address."""
    received_at = reception.received_at
    original = event.get("originalTimestamp") or event.get("timestamp")
    if original:
        event["originalTimestamp"] = original
    if not event.get("sentAt") and batch_sent_at:
        event["sentAt"] = batch_sent_at
    event["timestamp"] = format_time(_true_time(parse_time(original), parse_time(event.get("sentAt")), received_at))
    event["receivedAt"] = _format_again(received_at)
    given_ip = event.get("request_ip")
    if not (isinstance(given_ip, str) and given_ip.strip()):
        event["request_ip"] = reception.request_ip


def _true_time(original: datetime | None, sent_at: datetime | None, received_at: datetime) -> datetime:
    """When it happened by our clock: what the client's clock says is only good for differences."""
    if original is None:
        return received_at
    if sent_at is None:
        return original
    try:
        return received_at - (sent_at - original)
    except OverflowError:
        return original


def _type_of(event: Event) -> str:
    given = event.get("type")
    if given is None or given == "":
        raise _BadEventError(NO_TYPE)
    if not isinstance(given, str) or given.lower() not in EVENT_TYPES:
        raise _BadEventError("event has an unknown type")
    return given.lower()


def _id_of(event: Event, name: str) -> str:
    """The id as text, empty when there is none; the event then has none either."""
    value = event.get(name)
    text = value if isinstance(value, str) else _as_text(value)
    if not text or text.isspace():
        event.pop(name, None)
        return ""
    event[name] = text
    return _short(text, name)


def _as_text(value: Any) -> str:
    """An id that is no string, as RudderStack writes it: compact JSON."""
    return "" if value is None else orjson.dumps(value).decode()


def _short(text: str, name: str) -> str:
    if len(text) > MAX_ID_BYTES or len(text.encode()) > MAX_ID_BYTES:
        raise _BadEventError(f"{name} is longer than {MAX_ID_BYTES} bytes")
    return text


def _is_deeper(value: Any, limit: int) -> bool:
    """Whether objects and arrays are nested more than `limit` levels. Level by level: recursion could be exhausted."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _shown_id(value: Any) -> str:
    given = value.get("messageId") if isinstance(value, dict) else None
    return given[:200] if isinstance(given, str) else ""


def _kept(value: Any) -> str:
    """The refused event as text, for people; nested too deeply to be written out, only that it was."""
    if isinstance(value, dict):
        value.pop("writeKey", None)
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return json.dumps("nested too deeply to be kept")
