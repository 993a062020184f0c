"""The events that are sent: as large as usual ones, numbered per user, with the time they were due. Pure."""

import base64
import random

_CONTEXT = (
    b',"context":{"library":{"name":"bench","version":"1"},"ip":"203.0.113.7","locale":"en-US",'
    b'"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",'
    b'"page":{"path":"/checkout","referrer":"https://example.test/cart","title":"Checkout","url":"https://example.test/checkout"}}'
)
_PADDING = b',"padding":"'
_FILL = base64.b64encode(random.Random(1).randbytes(48 * 1024))  # nothing that a database could store in less


def event(user: str, number: int, due_at: float, size: int = 0) -> bytes:
    """One track event; `number` counts the user's events from 0, `due_at` is Unix time in seconds.

    `size` is its bytes, as far as it can be so small; 0: what an SDK sends, about 560.
    """
    head = (
        b'{"type":"track","event":"Order Completed","userId":"%b","messageId":"%b-%d",'
        b'"properties":{"number":%d,"due_at":%.4f'
    )
    begun = head % (user.encode(), user.encode(), number, number, due_at)
    if not size:
        return begun + b',"total":9.99,"currency":"USD"}' + _CONTEXT + b"}"
    missing = size - len(begun) - len(_PADDING) - len(b'"}}')
    return begun + (_PADDING + (_FILL * (missing // len(_FILL) + 1))[:missing] + b'"' if missing > 0 else b"") + b"}}"


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
