"""The database lost and restored: to a moment from a physical backup and its WAL, and from a dump in a fresh cluster.

What had been accepted until then is all there is to be delivered: nothing is accepted between that moment and the end.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from drills.carrier import carrying
from drills.cluster import REPLICATION, Server, serving
from drills.drill import Drill
from drills.load import Plan
from drills.scene import Scene
from drills.shared import of_all
from drills.stack import Stack, eventually
from rudderproj.stack import postgres
from rudderproj.stack.datadir import open_data_dir

CALM_SECONDS = 8.0  # of load between a backup and the loss
_TAKEN_BACK = "SELECT to_regclass('drill_accident') IS NOT NULL, NOT pg_is_in_recovery()"


class RestorableStack(Stack):
    """A stack whose database is `server`, which archives its WAL in `archive`."""

    server: Server
    archive: Path


@contextlib.contextmanager
def restorable(folder: Path) -> Iterator[Stack]:
    """A database with an archive, and a stack on it."""
    archive = folder.with_name("archive")
    archive.mkdir()
    keep = f"archive_command=test ! -f {archive}/%f && cp %p {archive}/%f"
    with contextlib.ExitStack() as held:
        server = held.enter_context(serving(folder.with_name("database"), "archive_mode=on", keep, access=REPLICATION))
        os.chown(archive, server.home.stat().st_uid, -1)
        broker = held.enter_context(carrying(folder.with_name("broker")))
        stack = RestorableStack(folder, of_all(server.url(), broker.url()))
        stack.server, stack.archive = server, archive
        held.callback(lambda: stack.server.stop())
        with stack.running():
            yield stack


def restore_physical(scene: Scene) -> None:
    """A backup under load; then an accident, the loss of the disk, and back to the moment before both."""
    stack = scene.staged(RestorableStack)
    server = stack.server
    server.ask("CREATE TABLE IF NOT EXISTS drill_accident ()")
    server.copy("backup")
    scene.pause(CALM_SECONDS)
    stack.stop()
    ((moment,),) = server.ask("SELECT clock_timestamp()::text")
    server.ask("DROP TABLE drill_accident")
    server.stop()  # which archives what there is
    shutil.rmtree(server.home)
    restored = stack.server = server.moved(
        "backup",
        f"restore_command=cp {stack.archive}/%f %p",
        f"recovery_target_time={moment}",
        "recovery_target_action=promote",
        "archive_mode=off",
    )
    (restored.home / "recovery.signal").touch()
    restored.start()
    eventually(lambda: restored.ask(_TAKEN_BACK) == [(True, True)], "the moment before the accident")
    stack.start()
    scene.recovering()


def restore_dump(scene: Scene) -> None:
    """A dump, the loss of the cluster, another one that is younger, and `manage.py rebase`."""
    stack = scene.staged(RestorableStack)
    server = stack.server
    scene.pause(CALM_SECONDS)
    stack.stop()
    dump = stack.archive / "dump"
    server.client("pg_dump", "-Fc", "-f", str(dump), "-d", server.url())
    server.stop()
    stack.server = fresh = _fresh(server)
    server.client("pg_restore", "-d", fresh.url(), "--exit-on-error", str(dump))
    said = stack.manage("rebase")
    if "this cluster's own now" not in said:
        scene.complain(f"rebase had nothing to do: {said.strip()}")
    stack.start()
    scene.recovering()


def _fresh(lost: Server) -> Server:
    """A cluster made anew, with the port and the password of the lost one."""
    folder = lost.data.root.with_name("fresh")
    folder.mkdir(mode=0o711)
    for name in ("secrets.json", "ports.json"):
        shutil.copy(lost.data.root / name, folder / name)
    data = open_data_dir(str(folder))
    server = Server(data, "fresh", postgres.prepare(data))
    server.start()
    server.ask(f'CREATE DATABASE "{postgres.DATABASE}"')
    return server


DRILLS: Sequence[Drill] = (
    Drill(
        "restore-physical",
        "the database lost, restored to a moment from a backup and the archive of its WAL",
        restore_physical,
        plan=Plan(seconds=60, patience=150),
        stage=restorable,
    ),
    Drill(
        "restore-dump",
        "the database lost, restored from a dump into a fresh cluster",
        restore_dump,
        plan=Plan(seconds=60, patience=150),
        stage=restorable,
    ),
)
