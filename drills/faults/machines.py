"""Two machines, as network namespaces with a link each to a third, where database, broker and destination are.

A link is cut and healed: nothing tells either end. As root.
"""

import contextlib
import functools
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from drills import felt
from drills.carrier import carrying
from drills.cluster import serving
from drills.drill import Drill
from drills.load import Plan
from drills.namespaces import Namespace, ip, remove_leftovers
from drills.scene import REST_SECONDS, Scene
from drills.shared import of_all
from drills.stack import NotSo, Stack, eventually, free_ports

NETWORK = "10.213"
HOME = f"{NETWORK}.0.1"
CUT_SECONDS = 18.0  # longer than a claim lives that nobody renews
ANSWERED_SECONDS = 1.0  # until what had been sent before the cut is answered
OTHER_SECONDS = 20.0  # from the end of the claims until those who waited for them are sent to, on a busy machine
LATENCY_MS = 200  # of the destination: with it there is something owed and not sent at any time
ACCESS = f"host all all {NETWORK}.0.0/16 scram-sha-256\n"


class Machine(Namespace):
    """One machine, at an address of its own."""

    def __init__(self, number: int) -> None:
        self.address, self._gateway = f"{NETWORK}.{number}.2", f"{NETWORK}.{number}.1"
        super().__init__(f"drill{number}", f"dr{number}", f"{self.address}/24")

    def make(self) -> None:
        super().make()
        ip("addr", "add", f"{self._gateway}/24", "dev", self.link)
        self.heal()

    def heal(self) -> None:
        super().heal()
        self.ip("route", "replace", "default", "via", self._gateway)


@contextlib.contextmanager
def _home() -> Iterator[None]:
    """An address that stays whatever link is cut; it may be left of a run that was killed."""
    ip("addr", "replace", f"{HOME}/32", "dev", "lo")
    try:
        yield
    finally:
        ip("addr", "del", f"{HOME}/32", "dev", "lo")


@contextlib.contextmanager
def _machines() -> Iterator[list[Machine]]:
    with contextlib.ExitStack() as made:
        remove_leftovers()
        made.enter_context(_home())
        machines = [Machine(1), Machine(2)]
        for machine in machines:
            made.callback(machine.remove)
            machine.make()
        yield machines


@functools.cache
def has_no_namespaces() -> str:
    """Why there can be no second machine here; empty if there can."""
    try:
        with _machines():
            return ""
    except (OSError, subprocess.CalledProcessError):
        return "no network namespaces here (it takes root, and iproute2)"


class TwinStack(Stack):
    """The first machine's stack, which verify sends to; `other` is the second's."""

    machine: Machine
    other: "TwinStack"


@contextlib.contextmanager
def two_machines(folder: Path) -> Iterator[Stack]:
    """Two stacks on one database and one broker."""
    with contextlib.ExitStack() as held:
        machines = held.enter_context(_machines())
        database = held.enter_context(serving(folder.with_name("database"), "listen_addresses=*", access=ACCESS))
        broker = held.enter_context(carrying(folder.with_name("broker"), "--bind", f"127.0.0.1 {HOME}"))
        reached = (url.replace("127.0.0.1", HOME) for url in (database.made.url(), broker.url()))
        shared = of_all(*reached) | {
            "WEB_HOST": "0.0.0.0",
            "ALLOWED_HOSTS": "*",
            "EGRESS_ALLOW": f"127.0.0.0/8,{NETWORK}.0.0/16",
        }
        first, second = (_on(machine, folder, shared) for machine in machines)
        first.other, first.together = second, (first, second)
        port = free_ports(1)[0]
        first.verify_options = ("--listen", f"{HOME}:{port}", "--url", f"http://{first.host}:{first.web_port}")
        for stack in (first, second):
            held.enter_context(stack.running())
        yield first


def _on(machine: Machine, folder: Path, shared: dict[str, str]) -> TwinStack:
    home = folder.with_name(f"{folder.name}-{machine.name}")
    stack = TwinStack(home, shared | {"NODE_ID": machine.name}, machine.prefix, machine.address)
    stack.machine = machine
    return stack


def cut(scene: Scene) -> None:
    """First the machine is cut off that forwards, then the other, which does so since. verify sends to one of them."""
    first = scene.staged(TwinStack)
    left = [first, first.other]
    while left:
        stack, *_ = eventually(partial(_holders, left), "a claim of a machine that is to be cut off")
        left.remove(stack)
        began = scene.now()
        stack.machine.cut()
        try:
            half = min(CUT_SECONDS, scene.left - 2 * REST_SECONDS) / 2
            scene.pause(half)
            waiting = felt.held_up(scene.load.ledger(), began + ANSWERED_SECONDS, scene.now())
            scene.pause(half)
            eventually(partial(_is_rid, stack), "an end of the claims of the machine that is cut off")
            _judge_other(scene, began + ANSWERED_SECONDS, waiting, accepts=stack is not first)
        finally:
            scene.healed(began)
            stack.machine.heal()
        scene.recovering()
        scene.pause(REST_SECONDS)


def _judge_other(scene: Scene, began: float, waiting: set[int], accepts: bool) -> None:
    """Whether the machine that is left goes on: it sends to all who waited for the other, and takes what it is sent."""

    def served() -> set[int]:
        return felt.served_since(scene.load.ledger(), began)

    scene.note(f"{len(waiting)} users waited for the machine that was cut off")
    if not waiting:
        scene.complain("nobody waited for the machine that was cut off: that proves nothing")
    try:
        eventually(lambda: waiting <= served(), "the other machine sending to them", OTHER_SECONDS)
    except NotSo:
        scene.complain(f"{len(waiting - served())} of {len(waiting)} got nothing from the other machine meanwhile")
    if accepts and not felt.accepted_between(scene.load.ledger(), began, scene.now()):
        scene.complain("the machine that was left accepted nothing")


def _holders(stacks: Sequence[TwinStack]) -> list[TwinStack]:
    return [stack for stack in stacks if _holds(stack)]


def _holds(stack: TwinStack) -> bool:
    """Whether a process of this machine has a claim."""
    return any(process.pid in stack.claims().values() for process in stack.pool("forward"))


def _is_rid(stack: TwinStack) -> bool:
    return not _holds(stack)


DRILLS: Sequence[Drill] = (
    Drill(
        "machines",
        "two machines, their links to the database cut and healed",
        cut,
        plan=Plan(seconds=70, sink_latency_ms=LATENCY_MS, patience=150),
        stage=two_machines,
        needs=has_no_namespaces,
    ),
)
