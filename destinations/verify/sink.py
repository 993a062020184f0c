"""The destination of a run: notes every arrival in the ledger, then answers as told. Runs in a thread of its own.

Must never answer before the arrival is noted, or take for an arrival what is not sent to this run's path.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import uvloop

from destinations.oracle.script import Manner, Reply
from destinations.oracle.server import Exchange, Request, listener
from destinations.verify.answers import Answers
from destinations.verify.ledger import Kind, Writer

NOT_OURS = Reply(404)


class Sink:
    """Answers requests to `path`."""

    def __init__(self, path: str, answers: Answers, ledger: Writer) -> None:
        self._path = path.encode()
        self._replies = answers.replies()
        self._ledger = ledger

    def answer(self, request: Request) -> Reply:
        """Note an arrival; what to answer."""
        if request.method != b"POST" or request.path != self._path:
            return NOT_OURS
        chosen = next(self._replies)
        status = chosen.status if chosen.manner is Manner.ANSWER else None
        self._ledger.note(Kind.ARRIVED, message_id=_message_id(request.body), status=status, final=chosen.is_final)
        return chosen


def _message_id(body: bytes) -> str:
    try:
        event = orjson.loads(body)
    except ValueError:
        return ""
    return str(event.get("messageId")) if isinstance(event, dict) else ""


@contextmanager
def listening(host: str, port: int, path: str, answers: Answers, ledger: Path) -> Iterator[int]:
    """A sink until the end of the block; gives its port, a free one for 0. Raises OSError when it cannot listen."""
    bound = listener(host, port)
    writer = Writer(ledger)
    sink = Sink(path, answers, writer)
    loop = uvloop.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: Exchange(sink.answer), sock=bound, backlog=1024))
    thread = threading.Thread(target=loop.run_forever, name="verify-sink", daemon=True)
    thread.start()
    try:
        yield int(bound.getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        writer.close()
