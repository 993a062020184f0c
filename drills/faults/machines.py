"""Two machines, as network namespaces with a link each to a third, where database, broker and destination are.

A link is cut and healed: nothing tells either end. As root.
"""

import base64
import contextlib
import functools
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from drills.carrier import carrying
from drills.cluster import serving
from drills.drill import Drill
from drills.load import Plan
from drills.scene import REST_SECONDS, Scene
from drills.stack import Stack, eventually, free_ports

NETWORK = "10.213"
HOME = f"{NETWORK}.0.1"
CUT_SECONDS = 18.0  # longer than a claim lives that nobody renews
ACCESS = f"host all all {NETWORK}.0.0/16 scram-sha-256\n"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Machine:
    """One namespace and its link."""

    def __init__(self, number: int) -> None:
        self.name, self._link = f"drill{number}-{os.getpid()}", f"dr{number}-{os.getpid()}"
        self.address, self._gateway = f"{NETWORK}.{number}.2", f"{NETWORK}.{number}.1"

    @property
    def prefix(self) -> list[str]:
        """What a command begins with that runs there."""
        return ["ip", "netns", "exec", self.name]

    def make(self) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("addr", "add", f"{self._gateway}/24", "dev", self._link)
        _ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        _ip("-n", self.name, "link", "set", "lo", "up")
        self.heal()

    def cut(self) -> None:
        _ip("link", "set", self._link, "down")

    def heal(self) -> None:
        _ip("link", "set", self._link, "up")
        _ip("-n", self.name, "link", "set", "eth0", "up")
        _ip("-n", self.name, "route", "replace", "default", "via", self._gateway)

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self.name)


@contextlib.contextmanager
def _home() -> Iterator[None]:
    """An address that stays whatever link is cut."""
    _ip("addr", "add", f"{HOME}/32", "dev", "lo")
    try:
        yield
    finally:
        _ip("addr", "del", f"{HOME}/32", "dev", "lo")


@contextlib.contextmanager
def _machines() -> Iterator[list[Machine]]:
    with contextlib.ExitStack() as made:
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
        shared = {
            "DATABASE_URL": database.made.url().replace("127.0.0.1", HOME),
            "CELERY_BROKER_URL": broker.url().replace("127.0.0.1", HOME),
            "SECRETS_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "WEB_HOST": "0.0.0.0",
            "ALLOWED_HOSTS": "*",
            "EGRESS_ALLOW": f"127.0.0.0/8,{NETWORK}.0.0/16",
        }
        first, second = (_on(machine, folder, shared) for machine in machines)
        first.other = second
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
    """First the machine is cut off that only forwards, then the one that verify sends to."""
    first = scene.staged(TwinStack)
    for stack in (first.other, first):
        stack.machine.cut()
        try:
            scene.pause(min(CUT_SECONDS, scene.left - 2 * REST_SECONDS))
        finally:
            stack.machine.heal()
        scene.recovering(repeats=1)
        scene.pause(REST_SECONDS)
    eventually(first.other.is_ready, "the second machine being ready")


DRILLS: Sequence[Drill] = (
    Drill(
        "machines",
        "two machines, their links to the database cut and healed",
        cut,
        plan=Plan(seconds=70, patience=150),
        stage=two_machines,
        needs=has_no_namespaces,
    ),
)
