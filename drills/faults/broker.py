"""The broker: emptied, stopped, restarted, its connections killed, its messages lost, repeated and mixed up.

Nothing may be lost or repeated by any of it: a message only says that there may be work.
"""

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from drills.doorbells import Doorbells
from drills.drill import Drill
from drills.load import Plan
from drills.relay import relaying
from drills.scene import REST_SECONDS, Scene
from drills.stack import ROOT, Stack
from rudderproj.stack import processes, valkey
from rudderproj.stack.datadir import open_data_dir


def _client(scene: Scene) -> Redis:
    return Redis.from_url(scene.stack.known["CELERY_BROKER_URL"])


def _kill_clients(client: Redis) -> None:
    client.client_kill_filter(_type="normal", skipme=True)


def _again_and_again(blow: Callable[[Redis], object]) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        client = _client(scene)
        for _ in scene.beats(every=2.0):
            with contextlib.suppress(RedisError):
                blow(client)
            scene.recovering()

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
    data = open_data_dir(str(folder.with_name("broker")))
    server = valkey.prepare(data)
    process = subprocess.Popen(server.command, cwd=ROOT, stdout=subprocess.DEVNULL)
    doorbells = Doorbells(random.Random(0))
    try:
        valkey.wait(server)
        with relaying(("127.0.0.1", server.port), doorbells.way) as relay:
            password = urlsplit(server.url()).password
            stack = LossyStack(folder, {"CELERY_BROKER_URL": f"redis://:{password}@127.0.0.1:{relay.port}/0"})
            stack.doorbells = doorbells
            try:
                stack.start()
                yield stack
            finally:
                stack.end()
    finally:
        process.kill()
        process.wait()
        data.close()


def lossy(scene: Scene) -> None:
    """A third of the rings is lost, a third comes twice, some come late, and their order is any."""
    if not isinstance(scene.stack, LossyStack):
        raise TypeError("this drill needs its own stage")
    doorbells = scene.stack.doorbells
    doorbells.chance = scene.chance
    doorbells.drop, doorbells.repeat, doorbells.hold = 0.3, 0.3, 0.2
    scene.recovering()
    try:
        scene.pause(scene.left)
    finally:
        doorbells.drop = doorbells.repeat = doorbells.hold = 0.0
    for fate in ("dropped", "repeated", "held"):
        if not doorbells.counts[fate]:
            scene.complain(f"no ring was {fate}")


DRILLS: Sequence[Drill] = (
    Drill("broker-flush", "FLUSHALL every two seconds", _again_and_again(Redis.flushall), 18),
    Drill("broker-clients", "CLIENT KILL of all every two seconds", _again_and_again(_kill_clients)),
    Drill("broker-away", "no broker for a minute", away, 25, plan=Plan(seconds=75)),
    Drill("broker-hangs", "a broker that answers nothing for half a minute", hang, plan=Plan(seconds=45)),
    Drill("broker-restart", "SIGKILL of the broker", restart),
    Drill("broker-lossy", "rings lost, repeated, late and in any order", lossy, stage=behind_relay),
)
