"""The broker: emptied, stopped, restarted, its connections killed, its messages lost, repeated and mixed up.

Nothing may be lost or repeated by any of it: a message only says that there may be work.
"""

import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from redis import Redis

from drills import felt
from drills.carrier import carrying, emptied
from drills.doorbells import FATES, MEDDLED, NEWS, RINGS, Doorbells
from drills.drill import Drill
from drills.load import Plan
from drills.relay import relaying
from drills.scene import REST_SECONDS, Scene
from drills.stack import Stack
from rudderproj.stack import processes

LEAST = {RINGS: 3, NEWS: 20}  # of each fate; a destination that is busy is rung seldom, and its links hear news


def _flush(client: Redis) -> dict[str, int]:
    return {"keys": emptied(client)}


def _kill_clients(client: Redis) -> dict[str, int]:
    """How many it has cut off, of those that ask and those that listen: one kind does not include the other."""
    return {f"{kind} clients": int(client.client_kill_filter(_type=kind, skipme=True)) for kind in ("normal", "pubsub")}


def _again_and_again(blow: Callable[[Redis], dict[str, int]]) -> Callable[[Scene], None]:
    """`blow` says how many of what it has hit; of each there must have been some."""

    def fault(scene: Scene) -> None:
        client = scene.stack.broker()
        hits: dict[str, int] = {}
        for _ in scene.beats(every=2.0):
            hits = {what: hits.get(what, 0) + count for what, count in blow(client).items()}
            scene.recovering()
        scene.note(", ".join(f"{count} {what}" for what, count in hits.items()))
        for line in felt.missed(hits, dict.fromkeys(hits, 1)):
            scene.complain(line)

    return fault


def away(scene: Scene) -> None:
    """Killed, and not back for most of the load."""
    with scene.stack.unsupervised():
        pid = scene.stack.pid("valkey")
        os.kill(pid, signal.SIGKILL)
        processes.wait_gone([pid], 10)
        scene.pause(scene.left - 1.5 * REST_SECONDS)
    scene.recovering()


def hang(scene: Scene) -> None:
    """There, and answering nothing."""
    pid = scene.stack.pid("valkey")
    os.kill(pid, signal.SIGSTOP)
    try:
        scene.pause(scene.left - 1.5 * REST_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)
    scene.recovering()


def restart(scene: Scene) -> None:
    """Killed; the supervisor starts it again."""
    for _ in scene.blows():
        os.kill(scene.stack.pid("valkey"), signal.SIGKILL)
        scene.recovering()


class LossyStack(Stack):
    """A stack whose rings go through a relay."""

    doorbells: Doorbells


@contextlib.contextmanager
def behind_relay(folder: Path) -> Iterator[Stack]:
    """A stack with a Valkey of the drill's own, and a relay between."""
    doorbells = Doorbells(random.Random(0))
    with carrying(folder.with_name("broker")) as server, relaying(server.port, doorbells.way) as relay:
        stack = LossyStack(folder, {"CELERY_BROKER_URL": replace(server, port=relay.port).url()})
        stack.doorbells = doorbells
        with stack.running():
            yield stack


def lossy(scene: Scene) -> None:
    """A third of rings and news is lost, a third comes twice, some come late, and their order is any."""
    doorbells = scene.staged(LossyStack).doorbells
    doorbells.chance = scene.chance
    doorbells.drop, doorbells.repeat, doorbells.hold = 0.3, 0.3, 0.2
    scene.recovering()
    try:
        scene.pause(scene.left)
    finally:
        doorbells.drop = doorbells.repeat = doorbells.hold = 0.0
    for kind, least in LEAST.items():
        counts = doorbells.counts[kind]
        scene.note(f"{kind}: " + ", ".join(f"{counts[fate]} {fate}" for fate in FATES))
        for line in felt.missed(counts, dict.fromkeys(MEDDLED, least)):
            scene.complain(f"of {kind} {line}")


DRILLS: Sequence[Drill] = (
    Drill("broker-flush", "FLUSHALL every two seconds", _again_and_again(_flush), goes_on=True),
    Drill("broker-clients", "CLIENT KILL of all every two seconds", _again_and_again(_kill_clients), goes_on=True),
    Drill("broker-away", "no broker for a minute", away, 18, plan=Plan(seconds=75), goes_on=True),
    Drill("broker-hangs", "a broker that answers nothing for half a minute", hang, plan=Plan(seconds=45), goes_on=True),
    Drill("broker-restart", "SIGKILL of the broker", restart, goes_on=True),
    Drill("broker-lossy", "rings and news lost, repeated, late, in any order", lossy, stage=behind_relay, goes_on=True),
)
