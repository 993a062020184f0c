"""What goes wrong now and then during a soak: one thing at a time, by chance. Nothing stays broken."""

import contextlib
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
from redis.exceptions import RedisError

from drills.stack import Stack

FREEZE_SECONDS = 2.0


def _empty_broker(stack: Stack, _: random.Random) -> None:
    with contextlib.suppress(RedisError):
        stack.broker().flushall()


def _cut_database_connections(stack: Stack, _: random.Random) -> None:
    stack.end_connections()


def _kill_pool_process(stack: Stack, chance: random.Random) -> None:
    if pool := stack.pool("forward"):
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(pool).kill()


def _freeze_web(stack: Stack, _: random.Random) -> None:
    web = stack.main("web")
    web.send_signal(signal.SIGSTOP)
    time.sleep(FREEZE_SECONDS)
    web.send_signal(signal.SIGCONT)


@dataclass(frozen=True)
class Trouble:
    """`may_repeat`: links forget what they had not noted."""

    make: Callable[[Stack, random.Random], None]
    may_repeat: bool = False


# Nothing that ends web or the worker as a whole: a process that is replaced cannot be seen to grow.
TROUBLES = {
    "the broker is emptied": Trouble(_empty_broker),
    "the database's connections are cut": Trouble(_cut_database_connections, may_repeat=True),
    "a forwarding process is killed": Trouble(_kill_pool_process, may_repeat=True),
    "web stands still": Trouble(_freeze_web),
}
