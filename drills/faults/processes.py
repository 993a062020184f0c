"""Processes of the product: killed, stopped for a while, ended in order."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import replace

import psutil

from drills import felt
from drills.drill import KILLED_AGAIN_AND_AGAIN, WORKER_KILLED, Drill
from drills.load import Plan
from drills.scene import Scene
from drills.stack import ROLES, eventually

LEASE_SECONDS = 16.0  # a claim with the default timeout, not renewed
ANSWERED_SECONDS = 1.0  # until what it had sent is at its slow destination, answered, and noted
AWAKE_SECONDS = 4.0  # of load for one that wakes up late, to do what it must not
OWED = 40  # events, for a process to have some in its hands
SLOW = Plan(users=20, rate=50, sink_latency_ms=500, patience=150)  # more than that destination takes


def _send(process: psutil.Process, number: int) -> bool:
    """Whether it was there to get the signal: one that has died by itself meanwhile is as good."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def _kill(role: str) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        for _ in scene.blows():
            victim = scene.stack.main(role)
            if not scene.may_strike():
                return
            if _send(victim, signal.SIGKILL) and role == "forward":
                scene.killed()
            scene.recovering()

    return fault


def kill_pool(scene: Scene) -> None:
    """A process of the forwarding pool at a time, chosen by chance."""
    for _ in scene.blows(calm=1.0):
        pool = eventually(lambda: scene.stack.pool("forward"), "a forwarding process")
        if not scene.may_strike():
            return
        if _send(scene.chance.choice(pool), signal.SIGKILL):
            scene.killed()
        scene.recovering()


def kill_any(scene: Scene) -> None:
    """Whoever chance names, again and again."""
    for _ in scene.beats(every=1.5):
        role = scene.chance.choice((*ROLES, "pool"))
        victims = scene.stack.pool("forward") if role == "pool" else [scene.stack.main(role)]
        if not scene.may_strike():
            return
        if victims and _send(scene.chance.choice(victims), signal.SIGKILL) and role in ("forward", "pool"):
            scene.killed()
        scene.recovering()


def kill_all(scene: Scene) -> None:
    """All processes of the application at once, guards included; database and broker live on."""
    lives = scene.stack.lives()
    guards = [psutil.Process(lives[role]) for role in ROLES if role in lives]
    victims = guards + [child for guard in guards for child in guard.children(recursive=True)]
    began = scene.now()
    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: nobody may notice another's death, and act
        for process in victims:
            _send(process, number)
    scene.killed(since=began)
    scene.recovering()


def cut_power(scene: Scene) -> None:
    """Everything at once, PostgreSQL, Valkey and the supervisor included; then `make run` again."""
    began = scene.now()
    scene.stack.cut_power()
    scene.killed(since=began)
    scene.pause(1.0)
    scene.recovering()
    scene.stack.start()


def freeze(scene: Scene) -> None:
    """A forwarding process with much in its hands is stopped until others have its lanes; then it wakes up.

    What it had sent before, and not noted, may come twice; nothing that it sends once its lanes are lost.
    """
    _wait_for_backlog(scene)
    frozen = eventually(lambda: _holders_here(scene), "a process that holds lanes")[0]
    frozen.suspend()
    began = scene.now() + ANSWERED_SECONDS
    try:
        scene.struck()
        scene.pause(LEASE_SECONDS / 2)
        waiting = felt.held_up(scene.load.ledger(), began, scene.now())
        scene.pause(LEASE_SECONDS / 2)
        eventually(lambda: frozen.pid not in scene.stack.claims().values(), "others having its lanes")
        scene.pause(AWAKE_SECONDS / 2)  # they send what it holds
        eventually(lambda: waiting <= felt.served_since(scene.load.ledger(), began), "others sending to them")
        scene.note(f"others sent to {len(waiting)} users while it slept")
    finally:
        frozen.resume()
    scene.recovering()
    if not waiting:
        scene.complain("nobody waited for the process that stood still: that proves nothing")
    if scene.left < AWAKE_SECONDS:
        scene.complain("the load was over before it woke up: that proves nothing")
    scene.pause(AWAKE_SECONDS)
    if not frozen.is_running():
        scene.complain("the process did not live to wake up")


def stop(scene: Scene) -> None:
    """SIGTERM as at a deploy, with much under way, then a start: nothing may come twice, and nobody is killed."""
    _wait_for_backlog(scene)
    killed = scene.stack.times_killed_in_stop()
    took = scene.stack.stop()
    scene.note(f"stopped in {took:.0f} s")
    if scene.stack.times_killed_in_stop() > killed:
        scene.complain("what did not end in time was killed")
    scene.recovering()
    scene.stack.start()


def _wait_for_backlog(scene: Scene) -> None:
    eventually(lambda: scene.load.ledger().owed >= OWED, "a backlog")


def _holders_here(scene: Scene) -> list[psutil.Process]:
    pool = {process.pid: process for process in scene.stack.pool("forward")}
    held = [pool[pid] for pid in sorted(pool.keys() & set(scene.stack.claims().values()))]
    return scene.chance.sample(held, len(held))


DRILLS: Sequence[Drill] = (
    Drill(
        "kill-forward",
        "SIGKILL of the forwarding worker",
        _kill("forward"),
        13,
        WORKER_KILLED,
        Plan(seconds=60),
        goes_on=True,
    ),
    Drill(
        "kill-pool",
        "SIGKILL of single forwarding processes",
        kill_pool,
        10,
        WORKER_KILLED,
        Plan(seconds=40),
        goes_on=True,
    ),
    Drill("kill-web", "SIGKILL of the web process", _kill("web"), 10, plan=Plan(seconds=60)),
    Drill("kill-beat", "SIGKILL of beat", _kill("beat"), goes_on=True),
    Drill("kill-alerts", "SIGKILL of the alerts worker", _kill("alerts"), goes_on=True),
    Drill("kill-any", "SIGKILL of any process, by chance", kill_any, 0, KILLED_AGAIN_AND_AGAIN, Plan(seconds=60)),
    Drill("kill-all", "SIGKILL of all processes but the services", kill_all, 9, WORKER_KILLED, Plan(seconds=30)),
    Drill("power-cut", "SIGKILL of everything, services included", cut_power, 10, plan=Plan(seconds=30)),
    Drill(
        "freeze",
        "SIGSTOP of a forwarding process past its lease",
        freeze,
        38,
        plan=replace(SLOW, seconds=40),
        goes_on=True,
    ),
    Drill("stop", "SIGTERM of everything, and a new start", stop, 10, plan=replace(SLOW, seconds=30)),
)
