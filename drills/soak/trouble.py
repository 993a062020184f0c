"""What goes wrong now and then during a soak: one thing at a time, by chance. Nothing stays broken.

Each says how much it has hit: a trouble that met nothing proves nothing.
"""

import contextlib
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
from redis.exceptions import RedisError

from drills.carrier import emptied
from drills.stack import Stack

FREEZE_SECONDS = 2.0


def _empty_broker(stack: Stack, _: random.Random) -> int:
    with contextlib.suppress(RedisError), stack.broker() as client:
        return emptied(client)
    return 0


def _cut_database_connections(stack: Stack, _: random.Random) -> int:
    return stack.end_connections()


def _kill_pool_process(stack: Stack, chance: random.Random) -> int:
    if pool := stack.pool("forward"):
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(pool).kill()
            return 1
    return 0


def _freeze_web(stack: Stack, _: random.Random) -> int:
    web = stack.main("web")
    web.send_signal(signal.SIGSTOP)
    time.sleep(FREEZE_SECONDS)
    web.send_signal(signal.SIGCONT)
    return 1


@dataclass(frozen=True)
class Trouble:
    """`make` returns how many keys, connections or processes it has hit. `may_repeat`: links forget what they had
    not noted.
    """

    make: Callable[[Stack, random.Random], int]
    may_repeat: bool = False


# Nothing that ends web or the worker as a whole: a process that is replaced cannot be seen to grow.
TROUBLES = {
    "the broker is emptied": Trouble(_empty_broker),
    "the database's connections are cut": Trouble(_cut_database_connections, may_repeat=True),
    "a forwarding process is killed": Trouble(_kill_pool_process, may_repeat=True),
    "web stands still": Trouble(_freeze_web),
}
