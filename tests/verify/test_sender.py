"""What is sent again and what is not, against a server that answers as told."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from destinations.oracle.script import RESET, Reply
from destinations.oracle.server import Exchange, Request
from destinations.verify import ledger
from destinations.verify.load import Load, Mix
from destinations.verify.sender import Sender, Task

RUN = "verify-1"
LOAD = Load(users=3, rate=0.0, seconds=None, events=6, connections=2, wait_most_seconds=0.01)


class Server:
    """`answer` decides by the number of the request; every request is kept."""

    def __init__(self, answer: Callable[[int], Reply]) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._answer = answer

    def __call__(self, request: Request) -> Reply:
        assert request.method == b"POST"
        self.bodies.append(json.loads(request.body))
        return self._answer(len(self.bodies) - 1)


def sent(folder: Path, load: Load, server: Server, act: Callable[[Sender], None] = lambda _: None) -> Counter[str]:
    """Run a whole sender; how many events of each kind of record there are."""
    path = folder / "ledger"

    async def run() -> None:
        listener = await asyncio.get_running_loop().create_server(lambda: Exchange(server), "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        sender = Sender(Task(load, 0, RUN, [f"http://127.0.0.1:{port}"], "key", str(path)))
        asyncio.get_running_loop().call_later(0.2, act, sender)
        await asyncio.wait_for(sender.run(), 30)
        listener.close()

    asyncio.run(run())
    counts: Counter[str] = Counter()
    for record in ledger.read(path):
        counts[record["kind"]] += len(record["events"])
    return counts


def test_every_event_is_sent_once_while_all_is_well(tmp_path: Path) -> None:
    server = Server(lambda _: Reply(body="OK"))

    assert sent(tmp_path, LOAD, server) == {"sent": 6, "accepted": 6}
    assert len({body["messageId"] for body in server.bodies}) == len(server.bodies) == 6


@pytest.mark.parametrize(
    ("trouble", "kind"), [(Reply(503, retry_after="60"), "put_off"), (Reply(429), "put_off"), (RESET, "unanswered")]
)
def test_what_is_put_off_or_not_answered_goes_out_again_the_same(tmp_path: Path, trouble: Reply, kind: str) -> None:
    server = Server(lambda number: trouble if number < 4 else Reply(body="OK"))

    assert sent(tmp_path, LOAD, server) == {"sent": 6, "accepted": 6, kind: 4}
    distinct = {json.dumps(body, sort_keys=True) for body in server.bodies}
    assert (len(server.bodies), len(distinct)) == (10, 6)


def test_what_is_refused_for_good_is_not_sent_again(tmp_path: Path) -> None:
    server = Server(lambda number: Reply(404, body="source is disabled") if number < 2 else Reply(body="OK"))

    assert sent(tmp_path, LOAD, server) == {"sent": 6, "refused": 2, "accepted": 4}
    assert len(server.bodies) == 6


def test_a_batch_may_be_taken_in_part(tmp_path: Path) -> None:
    answer = {"accepted": 5, "rejected": [{"index": 2, "messageId": "m", "reason": "because"}]}
    server = Server(lambda _: Reply(body=json.dumps(answer)))

    assert sent(tmp_path, Load(**{**vars(LOAD), "batch": Mix.parse("6", 1)}), server) == {
        "sent": 6,
        "refused": 1,
        "accepted": 5,
    }


def test_an_answer_that_cannot_be_read_leaves_its_events_unknown(tmp_path: Path) -> None:
    server = Server(lambda number: Reply(body='{"accepted": 0, "rej') if number == 0 else Reply(body="OK"))

    assert sent(tmp_path, LOAD, server) == {"sent": 6, "unknown": 1, "accepted": 5}


def test_who_gives_up_tries_once_more_and_begins_nothing_new(tmp_path: Path) -> None:
    server = Server(lambda _: Reply(503))

    found = sent(tmp_path, LOAD, server, Sender.give_up)

    assert (found["sent"], found["unknown"], found["accepted"]) == (2, 2, 0)


def test_a_users_events_never_overlap(tmp_path: Path) -> None:
    server = Server(lambda _: Reply(body="OK", delay_seconds=0.01))

    sent(tmp_path, Load(**{**vars(LOAD), "users": 2, "events": 40, "connections": 8}), server)

    open_users: set[int] = set()
    for record in ledger.read(tmp_path / "ledger"):
        users = {user for user, _ in record["events"]}
        if record["kind"] == "sent":
            assert not users & open_users
            open_users |= users
        else:
            open_users -= users
