"""The clock of the whole machine jumps, database included; and those of two machines differ around midnight."""

import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from destinations.oracle.sink import Sink
from drills.api import Api
from drills.carrier import carrying
from drills.clocks import HOUR, Clock, before_midnight, is_missing
from drills.cluster import serving
from drills.drill import Drill
from drills.load import Plan
from drills.scene import Scene
from drills.shared import of_all
from drills.stack import Stack, eventually
from drills.trickle import USERS, is_taken

APART_SECONDS = 20.0  # of each web process from the database
HALF_SECONDS = 15.0  # before midnight, and at least as long after it
BEFORE_SECONDS = 3.0  # midnight, when the clock jumps there
LEAST = 20  # events, however slow the machine
NOTICED_SECONDS = 16.0 / 3  # at the latest: a claim is renewed when a third of it is gone
SLOW_SECONDS = 3.0  # on such a clock the database takes two to three times as long for everything, checkpoints too


class FakedStack(Stack):
    """A stack that goes by a clock of its own."""

    clock: Clock


@contextlib.contextmanager
def on_another_clock(folder: Path) -> Iterator[Stack]:
    """A stack with its database, on a clock of its own."""
    clock = Clock(folder.with_name("clock"))
    stack = FakedStack(folder, clock.environ)
    stack.clock = clock
    with stack.running():
        yield stack


def jump(scene: Scene) -> None:
    """An hour ahead, an hour behind, a few seconds before midnight, and right again."""
    clock = scene.staged(FakedStack).clock
    jumps: Sequence[Callable[[], float]] = (
        lambda: HOUR,
        lambda: -HOUR,
        lambda: before_midnight() - BEFORE_SECONDS,
        lambda: 0.0,
    )
    each, last = (scene.left - 4.0) / len(jumps), 0.0
    for asked in jumps:
        seconds = asked()
        clock.shift(seconds)
        if seconds > last:  # a clock that is put back ends no lease
            _leases_end(scene)
        _check(scene, seconds)
        scene.recovering()
        scene.pause(each)
        last = seconds


def _leases_end(scene: Scene) -> None:
    """Leases of before may be over: who has one forgets what it had not noted, once it notices."""
    now = scene.now()
    scene.struck(now - SLOW_SECONDS, now + NOTICED_SECONDS + SLOW_SECONDS)


def _check(scene: Scene, seconds: float) -> None:
    """Whether the database goes by the clock that was changed."""
    ((at,),) = scene.stack.query("SELECT extract(epoch FROM clock_timestamp())::float8")
    if abs(at - time.time() - seconds) > APART_SECONDS / 2:
        scene.complain(f"the database's clock is {at - time.time():.0f} s ahead, not {seconds:.0f}")


class ApartStack(FakedStack):
    """The first machine's stack; `other` is the second's, `between` the clock of their database."""

    other: "ApartStack"
    between: Clock


@contextlib.contextmanager
def apart(folder: Path) -> Iterator[Stack]:
    """Two stacks on one database and one broker, and a clock for each of the three."""
    with contextlib.ExitStack() as held:
        clock = Clock(folder.with_name("clock"))
        database = held.enter_context(serving(folder.with_name("database"), environ=clock.environ))
        broker = held.enter_context(carrying(folder.with_name("broker")))
        shared = of_all(database.made.url(), broker.url())
        first, second = (_apart(folder.with_name(f"{folder.name}-{name}"), name, shared) for name in ("a", "b"))
        first.other, first.between, first.together = second, clock, (first, second)
        urls = [f"http://127.0.0.1:{stack.web_port}" for stack in (first, second)]
        first.verify_options = ("--url", urls[0], "--url", urls[1])
        for stack in (first, second):
            held.enter_context(stack.running())
        yield first


def _apart(folder: Path, name: str, shared: dict[str, str]) -> ApartStack:
    clock = Clock(folder.with_name(f"clock-{name}"))
    stack = ApartStack(folder, shared | clock.environ | {"NODE_ID": name})
    stack.clock = clock
    return stack


def midnight(scene: Scene) -> None:
    """One web process is past midnight, the other is not, and each event is sent to both, as after a lost answer."""
    first = scene.staged(ApartStack)
    key = f"midnight-{uuid.uuid4().hex[:6]}"
    api = Api(first, key)
    source = api.post("sources", name=key)
    with Sink() as sink:
        target = api.post("destinations", name=key, type="webhook", config={"webhookUrl": sink.url})
        api.post("connections", source=source["id"], destination=target["id"])
        _set_apart(scene, first)
        sent = _twice_each(scene, first, source["write_key"])
        eventually(lambda: sent <= set(sink.ids()), "everything that was sent twice")
    rows = first.query(f"SELECT day::text, count(*) FROM ingest_event WHERE source_id = {int(source['id'])} GROUP BY 1")
    stored = {str(day): int(count) for day, count in rows}
    scene.note(f"{len(sent)} sent to both; stored by day {json.dumps(sorted(stored.values()))}")
    if sum(stored.values()) != len(sent):
        scene.complain(f"{len(sent)} sent to both, {sum(stored.values())} stored")
    if len(stored) != 2:
        scene.complain(f"{len(stored)} days: that proves nothing")


def _set_apart(scene: Scene, first: ApartStack) -> None:
    """To the database it is shortly before midnight."""
    now = before_midnight() - HALF_SECONDS
    first.between.shift(now)
    first.clock.shift(now + APART_SECONDS)
    first.other.clock.shift(now - APART_SECONDS)
    _leases_end(scene)
    _check(scene, now)
    scene.recovering()


def _twice_each(scene: Scene, first: ApartStack, write_key: str) -> set[str]:
    """The ids of what both have taken, in any order, until well past midnight."""
    sent: set[str] = set()
    until = scene.now() + 2 * HALF_SECONDS
    for number in itertools.count():
        message_id = f"{write_key}-{number}"
        event = {"messageId": message_id, "userId": f"midnight-{number % USERS}", "event": "Sent twice"}
        for stack in scene.chance.sample([first, first.other], 2):
            eventually(partial(is_taken, stack, write_key, event), "an answer of 200")
        sent.add(message_id)
        if scene.now() > until and len(sent) > LEAST:
            return sent
        scene.pause(0.05)
    return sent


DRILLS: Sequence[Drill] = (
    Drill(
        "clock",
        "the clock jumps ahead, back, over midnight",
        jump,
        plan=Plan(seconds=50),
        stage=on_another_clock,
        needs=is_missing,
    ),
    Drill(
        "midnight",
        "two web processes with different clocks around midnight",
        midnight,
        plan=Plan(seconds=40, patience=150),
        stage=apart,
        needs=is_missing,
    ),
)
