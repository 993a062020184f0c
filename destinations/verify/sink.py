"""The destination of a run: notes every arrival in the ledger, then answers as told. Runs in a thread of its own.

An answer that is made to wait is noted just before it goes out, or as none when the deployment has hung up by then;
that its event is there is noted at once.
Must never answer before the arrival is noted, or take for an arrival what is not sent to this run's path.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvloop

from destinations.oracle.script import HANG, Manner, Reply
from destinations.oracle.server import Exchange, Request, listener
from destinations.verify.answers import Answers
from destinations.verify.ledger import Kind, Writer
from destinations.verify.site import Unusable
from destinations.verify.traffic import is_whole

NOT_OURS = Reply(404)


class Sink:
    """Answers requests to `path`."""

    def __init__(self, path: str, answers: Answers, ledger: Writer) -> None:
        self._path = path.encode()
        self._replies = answers.replies()
        self._ledger = ledger

    def answer(self, request: Request) -> Reply:
        """What to answer; noted, and if the answer has to wait, what it will be an answer to."""
        if request.method != b"POST" or request.path != self._path:
            return NOT_OURS
        chosen = next(self._replies)
        if not chosen.delay_seconds or chosen.manner is Manner.HANG:
            self._note(request, chosen)
        else:
            self._ledger.note(Kind.REACHED, message_id=_message_id(request.body))
        return chosen

    def ending(self, request: Request, reply: Reply, is_heard: bool) -> None:
        """Note an arrival whose answer had to wait."""
        if is_heard:
            self._note(request, reply, waited=reply.delay_seconds)
        else:
            self._note(request, HANG, late=True)

    def _note(self, request: Request, reply: Reply, **more: Any) -> None:
        status = reply.status if reply.manner is Manner.ANSWER else None
        message_id = _message_id(request.body)
        self._ledger.note(Kind.ARRIVED, message_id=message_id, status=status, final=reply.is_final, **more)


def _message_id(body: bytes) -> str:
    """Empty of what is no event, or not as it was sent."""
    try:
        event = orjson.loads(body)
    except ValueError:
        return ""
    return str(event.get("messageId")) if isinstance(event, dict) and is_whole(event) else ""


@contextmanager
def listening(host: str, port: int, path: str, answers: Answers, ledger: Path) -> Iterator[int]:
    """A sink until the end of the block; gives its port, a free one for 0. Raises Unusable when it cannot listen."""
    try:
        bound = listener(host, port)
    except OSError as error:
        raise Unusable(f"--listen {host}:{port}: {error}") from None
    writer = Writer(ledger)
    sink = Sink(path, answers, writer)
    loop = uvloop.new_event_loop()
    made = loop.create_server(lambda: Exchange(sink.answer, ending=sink.ending), sock=bound, backlog=1024)
    server = loop.run_until_complete(made)
    thread = threading.Thread(target=loop.run_forever, name="verify-sink", daemon=True)
    thread.start()
    try:
        yield int(bound.getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        writer.close()
