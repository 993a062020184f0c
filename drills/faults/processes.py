"""Processes of the product: killed, stopped for a while, ended in order."""

import signal
from collections.abc import Callable, Sequence

import psutil

from drills.drill import WORKER_KILLED, Drill
from drills.load import Plan
from drills.scene import Scene
from drills.stack import ROLES, eventually

GRACE_SECONDS = 60.0  # what an asked-for stop may take
LEASE_SECONDS = 16.0  # a claim with the default timeout, not renewed


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # it died by itself meanwhile: just as well


def _kill(role: str) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        for _ in scene.blows():
            _send(scene.stack.main(role), signal.SIGKILL)
            scene.recovering(repeats=int(role == "forward"))

    return fault


def kill_pool(scene: Scene) -> None:
    """A process of the forwarding pool at a time, chosen by chance."""
    for _ in scene.blows(calm=1.0):
        pool = eventually(lambda: scene.stack.pool("forward"), "a forwarding process")
        _send(scene.chance.choice(pool), signal.SIGKILL)
        scene.recovering(repeats=1)


def kill_any(scene: Scene) -> None:
    """Whoever chance names, again and again."""
    for _ in scene.beats(every=1.5):
        role = scene.chance.choice((*ROLES, "pool"))
        if role == "pool":
            victims = scene.stack.pool("forward")
            _send(scene.chance.choice(victims), signal.SIGKILL) if victims else None
        else:
            _send(scene.stack.main(role), signal.SIGKILL)
        scene.recovering(repeats=int(role in ("forward", "pool")))


def kill_all(scene: Scene) -> None:
    """All processes of the application at once, guards included; database and broker live on."""
    lives = scene.stack.lives()
    guards = [psutil.Process(lives[role]) for role in ROLES if role in lives]
    victims = guards + [child for guard in guards for child in guard.children(recursive=True)]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: nobody may notice another's death, and act
        for process in victims:
            _send(process, number)
    scene.recovering(repeats=1)


def cut_power(scene: Scene) -> None:
    """Everything at once, PostgreSQL, Valkey and the supervisor included; then `make run` again."""
    scene.stack.cut_power()
    scene.pause(1.0)
    scene.stack.start()
    scene.recovering(repeats=1)


def freeze(scene: Scene) -> None:
    """A forwarding process that holds lanes is stopped until its lease is over and others have them; then it wakes."""
    frozen = eventually(lambda: _holders_here(scene), "a process that holds lanes")[0]
    frozen.suspend()
    try:
        scene.recovering(repeats=1)
        scene.pause(LEASE_SECONDS + 3.0)
        if frozen.pid in _holders(scene):
            scene.complain("its lanes were not taken over")
    finally:
        frozen.resume()


def stop(scene: Scene) -> None:
    """SIGTERM as at a deploy, then a start: nothing may come twice."""
    took = scene.stack.stop()
    if took > GRACE_SECONDS:
        scene.complain(f"the stop took {took:.0f} s")
    scene.stack.start()
    scene.recovering()


def _holders(scene: Scene) -> list[int]:
    """The processes that hold a claim; the owner of one is described by namespace, pid and more."""
    return [int(owner.split()[1]) for (owner,) in scene.stack.query("SELECT owner FROM destinations_claim")]


def _holders_here(scene: Scene) -> list[psutil.Process]:
    pool = {process.pid: process for process in scene.stack.pool("forward")}
    held = [pool[pid] for pid in sorted(pool.keys() & set(_holders(scene)))]
    return scene.chance.sample(held, len(held))


DRILLS: Sequence[Drill] = (
    Drill("kill-forward", "SIGKILL of the forwarding worker", _kill("forward"), 18, WORKER_KILLED, Plan(seconds=60)),
    Drill("kill-pool", "SIGKILL of single forwarding processes", kill_pool, 15, WORKER_KILLED, Plan(seconds=40)),
    Drill("kill-web", "SIGKILL of the web process", _kill("web"), 15, plan=Plan(seconds=60)),
    Drill("kill-beat", "SIGKILL of beat", _kill("beat")),
    Drill("kill-alerts", "SIGKILL of the alerts worker", _kill("alerts")),
    Drill("kill-any", "SIGKILL of any process, by chance", kill_any, plan=Plan(seconds=60)),
    Drill("kill-all", "SIGKILL of all processes but the services", kill_all, 20, plan=Plan(seconds=30)),
    Drill("power-cut", "SIGKILL of everything, services included", cut_power, 25, plan=Plan(seconds=30)),
    Drill("freeze", "SIGSTOP of a forwarding process past its lease", freeze, 30, plan=Plan(seconds=40)),
    Drill("stop", "SIGTERM of everything, and a new start", stop, 25, plan=Plan(seconds=30)),
)
