"""The database: restarted, its connections killed or used up, its horizon held, read for hours, its clients stopped.

While it is away events are refused with 503, and clients send them again: that is no loss.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg2

from destinations.verify.numbers import percentiles
from drills import felt
from drills.drill import Drill
from drills.load import Plan
from drills.scene import REST_SECONDS, Scene
from drills.stack import OTHER_CLIENTS, NotSo, eventually
from rudderproj.stack import processes

STOP_SECONDS = 60.0
BEFORE_SECONDS = 1.0  # an event that is acknowledged so late after BEGIN was stored after it
DUMPED = ("ingest_event", "destinations_lane", "destinations_claim", "destinations_checkpoint", "destinations_delivery")
UPKEEP_SECONDS = 10.0  # with the start of the program; on a lock it would give way after two, and try again
MAY_SLOW = 2.0  # times as much the 99th percentile may be after a time beside readers,
MAY_SLOW_MS = 50.0  # and so many milliseconds more
AGAIN_SECONDS = 0.25  # those that found a connection meanwhile lose it: each time is a blow of its own
FELT = 20  # requests that are refused while nobody gets a connection
_INSERTS = f"{OTHER_CLIENTS} AND application_name = 'rudderproj event log'"
_LAST_DAY = r"SELECT max(relname) FROM pg_class WHERE relkind = 'r' AND relname ~ '^ingest_event_\d{8}$'"
_WAITING_INSERT = f"SELECT pid {_INSERTS} AND wait_event_type = 'Lock'"
# Others that hold the horizon do so rightly: a checkpoint does, for a moment.
_HELD_BY = f"SELECT 1 {OTHER_CLIENTS} AND pid IN ({{}}) AND (backend_xid IS NOT NULL OR state = 'idle in transaction')"
_END_OTHERS = f"SELECT pg_terminate_backend(pid) {OTHER_CLIENTS} AND application_name <> 'drill'"


def restart(scene: Scene) -> None:
    """By turns stopped in order and killed; the supervisor starts it again."""
    for number in scene.blows():
        victim = scene.stack.pid("postgres")
        if not scene.may_strike():
            return
        began = scene.now()
        os.kill(victim, signal.SIGINT if number % 2 else signal.SIGQUIT)
        scene.recovering()
        processes.wait_gone([victim], STOP_SECONDS)
        scene.struck(since=began)


def terminate(scene: Scene) -> None:
    """pg_terminate_backend for every client, again and again."""
    ended = 0
    for _ in scene.beats(every=2.5):
        ended += scene.stack.end_connections()
        scene.struck()
        scene.recovering()
    scene.note(f"{ended} ended")
    if not ended:
        scene.complain("there was no connection to end")


def hold_horizon(scene: Scene) -> None:
    """A transaction that writes and stays open: nothing may be forwarded beyond it, and all of it afterwards."""
    raw = scene.stack.connect()
    with contextlib.closing(raw), raw.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_current_xact_id()")
        began = scene.now()
        scene.pause(scene.left - 2 * REST_SECONDS)
        ended = scene.now()
        cursor.execute("COMMIT")
    scene.recovering()
    _judge_held(scene, began + BEFORE_SECONDS, ended)
    _judge_refused(scene)


def _judge_held(scene: Scene, began: float, ended: float) -> None:
    """What was accepted in that time has waited for its end, all of it."""
    ledger = scene.load.ledger()
    waiting = felt.accepted_between(ledger, began, ended)
    scene.note(f"{waiting} waited {ended - began:.0f} s")
    if not waiting:
        scene.complain("nothing was accepted while the horizon was held: that proves nothing")
    if ahead := felt.gone_ahead(ledger, began, ended):
        scene.complain(f"{ahead} of {waiting} did not wait for the transaction that was open")


def _judge_refused(scene: Scene) -> None:
    if scene.load.ledger().refused:
        scene.complain("ingest did not go on all the time")


def read_for_long(scene: Scene) -> None:
    """What a long pg_dump holds, and short ones one after the other, for the whole load; upkeep runs beside them."""
    scene.recovering()
    raw = scene.stack.connect()
    with contextlib.closing(raw), raw.cursor() as cursor, _dumping(scene) as dumps:
        cursor.execute(_LAST_DAY)
        ((partition,),) = cursor.fetchall()
        cursor.execute(f"DROP TABLE {partition}")
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute(f"LOCK TABLE {', '.join(DUMPED)} IN ACCESS SHARE MODE; SELECT count(*) FROM ingest_event")
        began, length = scene.now(), scene.left
        scene.pause(length / 2)
        _judge_upkeep(scene)
        scene.pause(scene.left)
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [partition])
        if cursor.fetchall() != [(True,)]:
            scene.complain("upkeep made no partition beside a reader")
    _judge_pace(scene, began, length)
    scene.note(f"{len(dumps)} dumps")
    if not dumps or any(dumps):
        scene.complain(f"pg_dump ended with {sorted(set(dumps))}")
    _judge_refused(scene)


def _judge_upkeep(scene: Scene) -> None:
    """It must run beside readers, and wait for none."""
    took = []

    def is_done() -> bool:
        began = scene.now()
        is_kept = _has_kept_up(scene)
        took.append(scene.now() - began)
        return is_kept

    eventually(is_done, "upkeep beside a reader")
    scene.note(f"upkeep {took[-1]:.1f} s")
    if took[-1] > UPKEEP_SECONDS:
        scene.took_too_long(f"upkeep took {took[-1]:.0f} s", took[-1], UPKEEP_SECONDS)


def _judge_pace(scene: Scene, began: float, length: float) -> None:
    """Rows that a reader keeps from being removed must not slow down what is read and noted again and again."""
    ledger, part = scene.load.ledger(), length / 4
    waits = [ledger.waits(begun, begun + part) for begun in (began, began + length - part - 1.0)]
    if not all(waits):
        scene.complain("nothing was accepted beside the reader at its start, or at its end")
        return
    first, last = (percentiles([1000 * seconds for seconds in took])["p99"] for took in waits)
    scene.note(f"p99 {first:.0f} ms at first, {last:.0f} at last")
    limit = MAY_SLOW * first + MAY_SLOW_MS
    if last > limit:
        words = f"p99 {last:.0f} ms after {length:.0f} s beside a reader, {first:.0f} at first"
        scene.took_too_long(words, last, limit)


def _has_kept_up(scene: Scene) -> bool:
    """Whether upkeep ran; False while the stack's own is at it."""
    try:
        scene.stack.manage("upkeep")
    except NotSo as error:
        if "at work" in str(error):
            return False
        raise
    return True


@contextlib.contextmanager
def _dumping(scene: Scene) -> Iterator[list[int]]:
    """One after the other until the end of the block; their exit codes so far."""
    over = threading.Event()
    codes: list[int] = []
    program = _program(scene, "pg_dump")

    def dump() -> None:
        while not over.is_set():
            command = [program, "-f", os.devnull, scene.stack.known["DATABASE_URL"]]
            codes.append(subprocess.run(command, check=False).returncode)

    thread = threading.Thread(target=dump, daemon=True)
    thread.start()
    try:
        yield codes
    finally:
        over.set()
        thread.join()


def _program(scene: Scene, name: str) -> str:
    """A program of the very version that serves."""
    command = Path(f"/proc/{scene.stack.pid('postgres')}/exe").resolve()
    return str(command.with_name(name))


def freeze_in_insert(scene: Scene) -> None:
    """The web process is stopped while its insert is at the database; nobody else may have to wait for it."""
    raw = scene.stack.connect()
    web = scene.stack.main("web")
    with contextlib.closing(raw), raw.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE ingest_event IN SHARE MODE")
        waiting = eventually(lambda: scene.stack.query(_WAITING_INSERT), "an insert that waits")
        web.suspend()
        try:
            cursor.execute("COMMIT")
            scene.pause(3.0)
            held = scene.stack.query(_HELD_BY.format(",".join(str(pid) for (pid,) in waiting)))
            if held:
                scene.complain("a stopped web process holds the horizon")
        finally:
            web.resume()
    scene.recovering()


def use_up(scene: Scene) -> None:
    """Every connection that is left is taken, and then those of the product: nobody gets a new one, until the end."""

    def refused() -> int:
        return scene.load.ledger().refused

    before = refused()
    with contextlib.ExitStack() as taken:
        first = taken.enter_context(contextlib.closing(scene.stack.connect()))
        while refused() < before + FELT and scene.left > REST_SECONDS:
            _take_the_rest(scene, taken)
            began = scene.now()
            with first.cursor() as cursor:
                cursor.execute(_END_OTHERS)
            scene.struck(since=began)
            scene.pause(AGAIN_SECONDS)
        scene.pause(scene.left - 2 * REST_SECONDS)
    scene.recovering()
    if refused() < before + FELT:
        scene.complain("nobody needed a connection that was not there")


def _take_the_rest(scene: Scene, taken: contextlib.ExitStack) -> None:
    with contextlib.suppress(psycopg2.OperationalError):
        while True:
            taken.enter_context(contextlib.closing(scene.stack.connect()))


DRILLS: Sequence[Drill] = (
    Drill("db-restart", "the database stopped or killed", restart, 14, plan=Plan(seconds=60)),
    Drill("db-terminate", "pg_terminate_backend of all, again and again", terminate, 14, plan=Plan(seconds=40)),
    Drill("db-horizon", "a write transaction that stays open", hold_horizon, 16, plan=Plan(seconds=45), goes_on=True),
    Drill(
        "db-readers",
        "a reader and pg_dumps all the time, upkeep beside",
        read_for_long,
        plan=Plan(seconds=45),
        goes_on=True,
    ),
    Drill("db-frozen-insert", "SIGSTOP of web in the middle of an insert", freeze_in_insert, plan=Plan(seconds=30)),
    Drill("db-connections", "max_connections reached", use_up, plan=Plan(seconds=40)),
)
