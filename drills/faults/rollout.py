"""A rolling restart, as `helm upgrade` or a drained node makes it: two machines behind a balancer, one at a time.

Nothing is refused, nothing comes twice, and no restart is counted as one after a crash.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from drills.balancer import Balancer, balancing
from drills.carrier import carrying
from drills.cluster import serving
from drills.drill import Drill
from drills.load import Plan
from drills.scene import REST_SECONDS, Scene
from drills.shared import of_all
from drills.stack import Stack, eventually

PRE_STOP_SECONDS = 3.0  # the balancer knows at once; Kubernetes' take longer
GRACE_SECONDS = 90.0
_CRASHES = "SELECT count(*) FROM alerts_crash"


class RollingStack(Stack):
    """The first machine's stack; `balancer` leads to all of them."""

    balancer: Balancer


@contextlib.contextmanager
def balanced(folder: Path) -> Iterator[Stack]:
    """Two stacks on one database and one broker, and what spreads requests over them."""
    with contextlib.ExitStack() as held:
        database = held.enter_context(serving(folder.with_name("database")))
        broker = held.enter_context(carrying(folder.with_name("broker")))
        balancer = held.enter_context(balancing())
        shared = of_all(database.made.url(), broker.url())
        first, second = (
            RollingStack(folder.with_name(f"{folder.name}-{name}"), shared | {"NODE_ID": name}) for name in ("a", "b")
        )
        first.balancer, first.together = balancer, (first, second)
        first.verify_options = ("--url", f"http://{balancer.host}:{balancer.port}")
        for stack in first.together:
            held.enter_context(stack.running())
        balancer.add(*first.together)
        eventually(lambda: all(map(balancer.serves, first.together)), "both behind the balancer")
        yield first


def roll(scene: Scene) -> None:
    """Each in turn leaves the balancer, ends as a pod does, and comes back, until the load is nearly over."""
    first = scene.staged(RollingStack)
    rounds = 0
    while not rounds or scene.left > 3 * REST_SECONDS:
        for stack in first.together:
            _replace(scene, first.balancer, stack)
        rounds += 1
    scene.note(f"{rounds * len(first.together)} restarts")
    refused = scene.load.ledger().refused
    if refused:
        scene.complain(f"{refused} requests were refused")
    ((crashes,),) = first.query(_CRASHES)
    if crashes:
        scene.complain(f"{crashes} restarts were counted as crashes")


def _replace(scene: Scene, balancer: Balancer, stack: Stack) -> None:
    balancer.take_out(stack)
    scene.pause(PRE_STOP_SECONDS)
    if scene.left > REST_SECONDS:
        scene.recovering()
    killed = stack.times_killed_in_stop()
    took = stack.stop()
    if took > GRACE_SECONDS or stack.times_killed_in_stop() > killed:
        scene.complain(f"a stop took {took:.0f} s, or somebody was killed then")
    stack.start()
    balancer.take_out(stack, is_out=False)
    eventually(lambda: balancer.serves(stack), "the one that came back behind the balancer")


DRILLS: Sequence[Drill] = (
    Drill(
        "rollout",
        "a rolling restart of everything on two machines, one at a time",
        roll,
        plan=Plan(seconds=120),
        stage=balanced,
    ),
)
