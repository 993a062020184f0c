"""Ways in which the product is away or too busy, for as long as a block lasts, and whole again afterwards."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import psycopg2

from tests.browser.world import World
from tests.stack.harness import eventually


@contextlib.contextmanager
def server_down(world: World) -> Iterator[None]:
    """Nobody listens: what browsers ask is refused by the system."""
    world.stack.stop("web")
    try:
        yield
    finally:
        world.stack.start("web")


@contextlib.contextmanager
def database_away(world: World) -> Iterator[None]:
    with world.services.away("postgres"):
        yield
    eventually(world.stack.is_ready)


@contextlib.contextmanager
def database_slow(world: World) -> Iterator[None]:
    """No commit ends within the time that the product gives it."""
    with contextlib.closing(psycopg2.connect(world.services.environ["DATABASE_URL"])) as connection:
        connection.cursor().execute("LOCK TABLE ingest_event IN EXCLUSIVE MODE")
        yield


@contextlib.contextmanager
def log_frozen(world: World) -> Iterator[None]:
    """The database stops in the midst of what the web process has it store, and goes on with that afterwards."""
    with contextlib.closing(psycopg2.connect(world.services.environ["DATABASE_URL"])) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'rudderproj event log'")
        [(pid,)] = cursor.fetchall()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def server_full(world: World) -> Iterator[None]:
    """Somebody else has every place among the requests in work."""
    over = threading.Event()

    def occupy() -> None:
        while not over.is_set():
            world.stack.post("/v1/track", {"userId": "somebody else", "event": "e"})

    occupant = threading.Thread(target=occupy)
    with restarted(world, WEB_THREADS="1", WEB_MAX_REQUESTS="1"), database_slow(world):
        occupant.start()
        try:
            yield
        finally:
            over.set()
            occupant.join()


@contextlib.contextmanager
def restarted(world: World, **settings: str) -> Iterator[None]:
    """The web process with other settings."""
    before = dict(world.stack.environ)
    world.stack.environ.update(settings)
    try:
        with server_down(world):
            pass
        yield
    finally:
        world.stack.environ = before
        with server_down(world):
            pass
