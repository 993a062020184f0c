"""A process that sends a part of a load as SDKs do: `python -m destinations.verify.sender`, told what on its input.

A user's events are never in two requests at a time, and a request goes out again, the same, until it is answered for
good. The first line of the input is a Task as JSON; another line has it give up what is not answered; the end of the
input ends it at once, so that it never outlives who started it.
"""

import asyncio
import base64
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from itertools import count, cycle
from pathlib import Path
from random import Random

import uvloop

from destinations.verify.ledger import Kind, Writer
from destinations.verify.load import Load, Mix, Span
from destinations.verify.traffic import Numbered, Traffic, body
from rudderproj.http import Answer, HttpClient

ANYWHERE = ["0.0.0.0/0", "::/0"]
PUT_OFF = frozenset({408, 425, 429})  # and 5xx
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 5.0  # before a try again, when the answer does not say


@dataclass(frozen=True)
class Task:
    """What one process does. `urls`: where the ingest API is, without a path; several take turns."""

    load: Load
    part: int
    run: str
    urls: list[str]
    write_key: str
    ledger: str

    def dump(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, line: str) -> "Task":
        """What dump made."""
        task = json.loads(line)
        load = {**task["load"]}
        for name in ("batch", "payload"):
            load[name] = Mix(tuple(Span(*span) for span in load[name][0]))
        return cls(**{**task, "load": Load(**load)})


class Sender:
    """One task."""

    def __init__(self, task: Task) -> None:
        self._task, self._load = task, task.load
        self._traffic = Traffic(task.load, task.run, task.part)
        self._ledger = Writer(Path(task.ledger))
        self._client = HttpClient(ANYWHERE)
        self._urls = cycle(task.urls)
        self._headers = [
            ("authorization", "Basic " + base64.b64encode(f"{task.write_key}:".encode()).decode()),
            ("content-type", "application/json"),
        ]
        self._random = Random(f"{task.load.seed}/{task.part}/waits")  # noqa: S311 - repeatable, not secret
        self._slots = asyncio.Semaphore(-(-task.load.connections // task.load.parts))
        self._freed = asyncio.Event()
        self._given_up = asyncio.Event()

    async def run(self) -> None:
        """Send all of it; returns when every request is answered for good, or given up."""
        async with asyncio.TaskGroup() as requests:
            async for events in self._due():
                requests.create_task(self._deliver(events)).add_done_callback(lambda _: self._slots.release())
        await self._client.close()
        self._ledger.close()

    def give_up(self) -> None:
        """Begin nothing more, and wait for no answer that has not come by the next try."""
        self._given_up.set()
        self._freed.set()

    async def _due(self) -> AsyncIterator[list[Numbered]]:
        """The events of each request, when it is due and a slot is free: what was late goes out as soon as it can."""
        started, sent = time.monotonic(), 0
        ends_at = started + self._load.seconds if self._load.seconds is not None else float("inf")
        rate = self._load.rate * self._traffic.share
        left = self._events()
        while left is None or sent < left:
            due_at = started + sent / rate if rate else time.monotonic()
            await self._pause(min(due_at, ends_at) - time.monotonic())
            await self._slots.acquire()
            if self._given_up.is_set() or time.monotonic() >= ends_at:
                return
            events = self._traffic.take(None if left is None else left - sent)
            if events:
                sent += len(events)
                yield events
            else:
                self._slots.release()
                await self._freed.wait()
                self._freed.clear()

    def _events(self) -> int | None:
        """How many of the load's events are this part's."""
        if self._load.events is None:
            return None
        whole, rest = divmod(self._load.events, self._load.parts)
        return whole + (self._task.part < rest)

    async def _deliver(self, events: list[Numbered]) -> None:
        """Send until it is answered for good, or given up; the users are free then."""
        path, content = body([self._traffic.event(event) for event in events])
        self._ledger.note(Kind.SENT, events=events)
        for attempt in count():
            url = next(self._urls) + path
            answer = await self._client.send(None, "POST", url, self._headers, content, self._load.timeout_seconds)
            if self._is_settled(events, answer):
                break
            if self._given_up.is_set():
                self._ledger.note(Kind.UNKNOWN, events=events)
                break
            await self._pause(self._wait_seconds(attempt, answer.retry_after))
        self._traffic.free(events)
        self._freed.set()

    def _is_settled(self, events: list[Numbered], answer: Answer) -> bool:
        """Note what came of a try; whether it was for good."""
        if answer.status is None:
            self._ledger.note(Kind.UNANSWERED, events=events, error=answer.error)
            return False
        if answer.status in PUT_OFF or answer.status >= 500:
            self._ledger.note(Kind.PUT_OFF, events=events, status=answer.status, retry_after=answer.retry_after)
            return False
        if answer.status == 200:
            self._acknowledged(events, answer.body)
        else:
            self._ledger.note(Kind.REFUSED, events=events, status=answer.status, reason=answer.body[:200])
        return True

    def _acknowledged(self, events: list[Numbered], text: str) -> None:
        """Answered 200; a batch may name events that were not taken."""
        if not text.startswith("{"):
            self._ledger.note(Kind.ACCEPTED, events=events)
            return
        try:
            refused = {int(entry["index"]) for entry in json.loads(text)["rejected"]}
        except (ValueError, KeyError, TypeError):  # cut off, or not from us
            self._ledger.note(Kind.UNKNOWN, events=events)
            return
        taken = [event for index, event in enumerate(events) if index not in refused]
        left = [event for index, event in enumerate(events) if index in refused]
        self._ledger.note(Kind.REFUSED, events=left, status=200, reason=text[:200])
        self._ledger.note(Kind.ACCEPTED, events=taken)

    def _wait_seconds(self, attempt: int, retry_after: str | None) -> float:
        most = self._load.wait_most_seconds
        if retry_after and retry_after.isdecimal():
            asked = float(retry_after)
            return asked if most is None else min(asked, most)
        wait = min(FIRST_WAIT_SECONDS * 2 ** min(attempt, 10), LONGEST_WAIT_SECONDS if most is None else most)
        return float(wait * self._random.uniform(0.5, 1.0))

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless it is time to give up."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._given_up.wait(), seconds)


async def _listen(sender: Sender, lines: asyncio.StreamReader, work: asyncio.Task[None]) -> None:
    """Hear what standard input has to say."""
    while await lines.readline():
        sender.give_up()
    work.cancel()


async def main() -> None:
    """Do the task of the first line."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    sender = Sender(Task.parse((await lines.readline()).decode()))
    work = asyncio.create_task(sender.run())
    hearing = asyncio.create_task(_listen(sender, lines, work))
    with contextlib.suppress(asyncio.CancelledError):
        await work
    hearing.cancel()


if __name__ == "__main__":
    uvloop.run(main())
