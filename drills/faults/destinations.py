"""Destinations that are ill: gone, hanging, slow, resetting, talking nonsense, busy; and one that hangs among fifty."""

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from destinations.oracle.script import HANG
from destinations.oracle.sink import Sink
from destinations.verify.numbers import percentiles
from drills import arrivals, felt
from drills.drill import Drill
from drills.front import RETRY_AFTER_SECONDS, Front, Illness, standing
from drills.load import Plan
from drills.scene import REST_SECONDS, Scene
from drills.stack import NotSo, Stack, eventually, free_ports
from drills.trickle import Trickle, trickling

OTHERS = 49
GROUPS = 7  # of destinations, a source each
DOWN_SECONDS = 1.0  # until what had come before is answered, and in the ledger
EVERY_SECONDS = 0.5  # an event of each source
MAY_SLOW = 1.1  # as much as is promised of the others' p99
SETTLING_SECONDS = 3.0
WARM_UP_SECONDS = 10.0  # for 49 links to be made, and their first events to be behind them: calm is what comes then


Group: TypeAlias = tuple[Trickle, Sequence[str]]  # what is sent, and the paths of the destinations that it is for


class FrontedStack(Stack):
    """A stack whose destination is a front before verify's sink."""

    front: Front


@contextlib.contextmanager
def behind_front(folder: Path) -> Iterator[Stack]:
    """A stack, and a front that verify is told to receive through."""
    with standing() as front:
        stack = FrontedStack(folder, {})
        with behind(stack, front, "http"):
            yield stack


@contextlib.contextmanager
def behind(stack: FrontedStack, front: Front, scheme: str) -> Iterator[None]:
    """This stack runs, and verify is told to receive through the front."""
    stack.front = front
    front.upstream = free_ports(1)[0]
    stack.verify_options = (
        *("--listen", f"127.0.0.1:{front.upstream}"),
        *("--sink-url", f"{scheme}://127.0.0.1:{front.port}"),
    )
    with stack.running():
        yield


def _ill(illness: Illness, rest: float) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        front = scene.staged(FrontedStack).front
        front.met = 0
        front.tries.clear()
        front.fall_ill(illness)
        began = scene.now()
        try:
            scene.pause(scene.left - rest)
        finally:
            ended = scene.now()
            front.fall_ill(Illness.NONE)
        scene.recovering()
        if illness is Illness.DOWN:
            _judge_down(scene, began + DOWN_SECONDS, ended)
        elif not front.met:
            scene.complain("nothing met the illness")
        if illness is Illness.BUSY:
            _judge_put_off(scene, front)

    return fault


def _judge_down(scene: Scene, began: float, ended: float) -> None:
    """Nobody can have been sent to; who is not there counts nothing."""
    if served := felt.served_since(scene.load.ledger(), began, ended):
        scene.complain(f"something came for {len(served)} users while nobody was there")
    if not felt.accepted_between(scene.load.ledger(), began, ended):
        scene.complain("nothing was accepted that nobody was there for")


def _judge_put_off(scene: Scene, front: Front) -> None:
    """What was asked to come later came again, and no sooner than it was asked to."""
    eventually(lambda: not felt.tried_once(front.tries), "a second try of what was asked to come later")
    scene.note(f"{len(front.tries)} tries of {len({event for _, event in front.tries})} that had to wait")
    if early := felt.too_soon(front.tries, RETRY_AFTER_SECONDS):
        scene.complain(f"{early} did not wait for as long as Retry-After said")


def one_of_fifty(scene: Scene) -> None:
    """Fifty destinations, then one of them hangs: what is it to the others? verify's is one of those.

    They are of several sources that take turns. Of one source each event would come to all at once, and the 99th
    percentile of a hundred such events would be the slowest event.
    """
    key = f"fifty-{uuid.uuid4().hex[:6]}"
    keys = [f"{key}-{group}" for group in range(GROUPS)]
    with Sink() as well, Sink() as hung, contextlib.ExitStack() as sending:
        urls = [f"http://127.0.0.1:{hung.port}/0", *(f"http://127.0.0.1:{well.port}/{n}" for n in range(1, OTHERS))]
        made = [
            {"name": f"{key}-to-{n}", "type": "webhook", "config": {"webhookUrl": url}, "sources": [keys[n % GROUPS]]}
            for n, url in enumerate(urls)
        ]
        scene.stack.apply(sources=[{"name": name, "write_key": name} for name in keys], destinations=made)
        groups: list[Group] = []
        for number, name in enumerate(keys):
            trickle = sending.enter_context(trickling(scene.stack, name, EVERY_SECONDS))
            groups.append((trickle, [f"/{n}" for n in range(1, OTHERS) if n % GROUPS == number]))
            scene.pause(EVERY_SECONDS / GROUPS)
        scene.pause(WARM_UP_SECONDS)
        eventually(lambda: not any(_owed(scene, *group, well) for group in groups), "calm")
        half = (scene.left - REST_SECONDS) / 2
        calm = _span(scene, half)
        hung.everyone = HANG
        scene.recovering()
        ill = _span(scene, half)
        hung.everyone = None
        sending.close()
        if not arrivals.met(hung.arrivals, HANG):
            scene.complain("nothing met the hang")
        _judge(scene, groups[0][0], hung, ["/0"])
        for trickle, paths in groups:
            _judge(scene, trickle, well, paths)
        before, after = (_p99(scene, span, groups, well) for span in (calm, ill))
        scene.note(f"p99 of the others {after:.0f} ms, {before:.0f} before")
        if after > MAY_SLOW * before:
            scene.took_too_long(f"p99 of the others {after / before - 1:.0%} higher", after, MAY_SLOW * before)
        off = [{"name": name, "enabled": False} for name in keys]
        scene.stack.apply(sources=off, destinations=[one | {"sources": []} for one in made])


def _owed(scene: Scene, trickle: Trickle, paths: Sequence[str], sink: Sink) -> bool:
    return bool(arrivals.owed(trickle.events, paths, sink.arrivals, scene.now()))


def _judge(scene: Scene, trickle: Trickle, sink: Sink, paths: Sequence[str]) -> None:
    """Everything must have come to each of these, once and in order."""
    wanted = {(path, event.message_id) for path in paths for event in trickle.events}

    def missing() -> int:
        return len(wanted - arrivals.done(list(sink.arrivals)).keys())

    try:
        eventually(lambda: not missing(), "the events of fifty destinations")
    except NotSo:
        scene.complain(f"{missing()} of {len(wanted)} did not arrive at the others, or at the one that had hung")
    came = list(sink.arrivals)
    if mixed := arrivals.out_of_order(came, trickle.users):
        scene.complain(f"{len(mixed)} out of order at the others, or at the one that had hung")
    if repeated := sum(arrival.is_final for arrival in came) - len(arrivals.done(came)):
        scene.complain(f"{repeated} came again to the others, or to the one that had hung")


def _span(scene: Scene, seconds: float) -> tuple[float, float]:
    """The middle of the next so many seconds."""
    scene.pause(SETTLING_SECONDS)
    began = scene.now()
    scene.pause(seconds - 2 * SETTLING_SECONDS)
    ended = scene.now()
    scene.pause(SETTLING_SECONDS)
    return began, ended


def _p99(scene: Scene, span: tuple[float, float], groups: Sequence[Group], well: Sink) -> float:
    """Milliseconds from acceptance to arrival, of what all the others were owed of that time."""
    began, ended = span
    at = arrivals.done(list(well.arrivals))
    took = scene.load.ledger().waits(began, ended)
    for trickle, paths in groups:
        took += arrivals.waits([event for event in trickle.events if began < event.ended < ended], paths, at)
    if not took:
        raise NotSo("the load is too short to measure the others")
    return percentiles([1000 * seconds for seconds in took])["p99"]


_REST = {Illness.DOWN: 12.0, Illness.HANG: 16.0}
_WORDS = {
    Illness.DOWN: "a destination that is not there",
    Illness.HANG: "a destination that never answers",
    Illness.SLOW: "a destination that takes two seconds",
    Illness.RESET: "a destination that resets connections",
    Illness.GARBAGE: "a destination that answers nonsense",
    Illness.BUSY: "a destination that answers 429 with Retry-After",
}
_QUICK = {Illness.HANG: 23.0}

DRILLS: Sequence[Drill] = (
    *(
        Drill(
            f"dest-{illness}",
            words,
            _ill(illness, _REST.get(illness, 10.0)),
            _QUICK.get(illness, 0.0),
            plan=Plan(seconds=40, patience=150),
            stage=behind_front,
            goes_on=True,
        )
        for illness, words in _WORDS.items()
    ),
    Drill("dest-one-of-fifty", "one of fifty destinations hangs", one_of_fifty, plan=Plan(seconds=70), goes_on=True),
)
