"""The events that are sent: as large as usual ones, numbered per user, with the time they were due. Pure."""

import base64
import functools
import hashlib
import random
from datetime import UTC, datetime

_CONTEXT = (
    b',"context":{"library":{"name":"bench","version":"1"},"ip":"203.0.113.7","locale":"en-US",'
    b'"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",'
    b'"page":{"path":"/checkout","referrer":"https://example.test/cart","title":"Checkout","url":"https://example.test/checkout"}}'
)
_PADDING = b',"padding":"'
_FILL = base64.b64encode(random.Random(1).randbytes(48 * 1024))  # nothing that a database could store in less


def event(user: str, number: int, due_at: float, size: int = 0) -> bytes:
    """One track event; `number` counts the user's events from 0, `due_at` is Unix time in seconds.

    `size` is its bytes, as far as it can be so small; 0: what an SDK sends, about 730, with both ids and both times.
    """
    message_id = _uuid(f"{user}-{number}")  # as SDKs make them: neighbours in time are none in an index
    head = (
        b'{"type":"track","event":"Order Completed","userId":"%b","messageId":"%b",'
        b'"properties":{"number":%d,"due_at":%.4f'
    )
    begun = head % (user.encode(), message_id, number, due_at)
    if not size:
        at = _time(due_at)
        more = b'},"anonymousId":"%b","originalTimestamp":"%bZ","sentAt":"%bZ"' % (_uuid_of(user), at, at)
        return begun + b',"total":9.99,"currency":"USD"' + more + _CONTEXT + b"}"
    missing = size - len(begun) - len(_PADDING) - len(b'"}}')
    return begun + (_PADDING + (_FILL * (missing // len(_FILL) + 1))[:missing] + b'"' if missing > 0 else b"") + b"}}"


def _uuid(name: str) -> bytes:
    """One that looks like any other, and always the same for a name: an event is sent again with its own."""
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}".encode()


@functools.lru_cache(1)
def _time(due_at: float) -> bytes:
    """As SDKs write it, without the Z; once for a batch."""
    return datetime.fromtimestamp(due_at, UTC).isoformat(timespec="milliseconds")[:-6].encode()


_uuid_of = functools.lru_cache(100_000)(_uuid)  # of users, who come again


def request(host: str, write_key: str, events: list[bytes]) -> bytes:
    """The whole HTTP request: one event to its own route, several as a batch."""
    path, body = (
        (b"/v1/track", events[0]) if len(events) == 1 else (b"/v1/batch", b'{"batch":[%b]}' % b",".join(events))
    )
    return (
        b"POST %b HTTP/1.1\r\nHost: %b\r\nAuthorization: Basic %b\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b"
        % (path, host.encode(), base64.b64encode(f"{write_key}:".encode()), len(body), body)
    )
