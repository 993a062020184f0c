"""Whoever changes several rows of a destination locks them in one order: else two would wait for each other."""

import threading
from contextlib import closing

from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import checkpoint
from destinations.checkpoint import Changes, Row
from destinations.lanes import open_claim
from destinations.retry import RetryPolicy
from rudderproj import db
from tests.forwarding.workers import eventually, limits, run_once
from tests.forwarding.world import World

LATER = RetryPolicy(3600, 3, base_seconds=3600, max_seconds=3600)


def hold_two_users(world: World) -> list[int]:
    """Two failed rows; their ids, in the order of the log."""
    for user in ("a", "b"):
        world.append(user, f"{user}0", answers=[500])
    run_once(world.destination, limits(retry=LATER))
    return [row.pk for row in sorted(world.rows(state="failed"), key=lambda row: row.xid)]


def write_backwards(raw: Connection, world: World) -> bool:
    """A checkpoint of both, the later one first."""
    token = open_claim(raw, world.destination.pk, "tests", 8, 60)
    assert token
    changes = Changes()
    for row in sorted(world.rows(), key=lambda row: -row.xid):
        columns = {name: getattr(row, name) for name in Row.__slots__ if hasattr(row, name)}
        stored = {"day": row.day.isoformat(), "request": None, "response": None}
        changes.put(Row(**columns | stored))
    return checkpoint.write(raw, token, 1, "{}", changes)


def test_a_checkpoint_locks_rows_in_the_order_of_the_log(world: World, raw: Connection) -> None:
    first, second = hold_two_users(world)
    done, pids = list[bool](), list[int]()

    def changing() -> None:
        with closing(db.connect("tests", 30)) as own:
            pids.append(own.info.backend_pid)
            done.append(write_backwards(own, world))

    with closing(db.connect("tests", 30)) as other:
        other.autocommit = False
        with other.cursor() as cursor:
            cursor.execute("SELECT FROM destinations_delivery WHERE id = %s FOR UPDATE", [first])
        thread = threading.Thread(target=changing)
        thread.start()
        assert eventually(lambda: pids and waits(raw, pids[0]))
        assert is_free(raw, second)
        other.rollback()
    thread.join()
    assert done == [True]


def waits(raw: Connection, pid: int) -> bool:
    """Whether that process of the database waits for a lock."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE pid = %s AND NOT granted", [pid])
        return cursor.rowcount == 1


def is_free(raw: Connection, row_id: int) -> bool:
    """Whether nobody has the row locked."""
    try:
        with raw.cursor() as cursor:
            cursor.execute("SELECT FROM destinations_delivery WHERE id = %s FOR UPDATE NOWAIT", [row_id])
            return cursor.rowcount == 1
    except LockNotAvailable:
        return False
