"""A primary with a synchronous standby: the primary is killed, the standby promoted, clients follow by a URL of both.

What only the primary had was never answered 200: a commit that no standby confirmed, waited for or cancelled, is not.
The standby must really lack it: one that only stood still would find it on its connection when it goes on.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg2

from drills.blows import UNCHECKPOINTED
from drills.cluster import REPLICATION, Server, serving
from drills.drill import FAILED_OVER, Drill
from drills.load import Plan
from drills.scene import Scene
from drills.stack import Stack, eventually

LAG_SECONDS = 7.0  # longer than a client's request waits for its commit
_SYNCHRONOUS = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
_CANCEL = """
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
WHERE application_name = 'rudderproj event log' AND wait_event = 'SyncRep'
"""


class FollowedStack(Stack):
    """A stack whose database is two servers."""

    primary: Server
    standby: Server


@contextlib.contextmanager
def followed(folder: Path) -> Iterator[Stack]:
    """Both servers, and a stack that knows both."""
    with serving(folder.with_name("database"), access=REPLICATION) as primary:
        standby = primary.follow("standby")
        try:
            primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.ask("SELECT pg_reload_conf()")
            eventually(lambda: primary.ask(_SYNCHRONOUS), "a synchronous standby")
            both = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            url = primary.made.url().replace(f"127.0.0.1:{primary.port}", both)
            stack = FollowedStack(folder, {"DATABASE_URL": url})
            stack.primary, stack.standby = primary, standby
            with stack.running():
                yield stack
        finally:
            standby.stop()


def fail_over(scene: Scene) -> None:
    """The standby gets nothing more, commits wait for it and are cancelled; the primary dies, and it takes over."""
    stack = scene.staged(FollowedStack)
    began, cancelled = scene.now(), 0
    stack.standby.follow_nobody()
    for _ in range(int(LAG_SECONDS)):
        scene.pause(1.0)
        with contextlib.suppress(psycopg2.Error):
            cancelled += len(stack.primary.ask(_CANCEL))
    written = stack.primary.wal("pg_current_wal_lsn")
    stack.primary.kill()
    lacking = written - stack.standby.wal("pg_last_wal_receive_lsn")
    if stack.standby.ask("SELECT pg_promote()") != [(True,)]:
        scene.complain("the standby was not promoted")
    # What the primary had and its standby had not may be delivered: never answered 200, it is sent again.
    delivered = sum(at > began for at in scene.load.ledger().delivered.values())
    scene.struck(since=began, most=UNCHECKPOINTED + delivered)
    scene.recovering()
    scene.note(f"{cancelled} commits cancelled, {lacking / 1024:.0f} KiB of WAL lost")
    if not cancelled:
        scene.complain("no commit waited for the standby: that proves nothing")
    if lacking <= 0:
        scene.complain("the standby had all that the primary wrote: that proves nothing")


DRILLS: Sequence[Drill] = (
    Drill(
        "db-failover",
        "the primary killed, its synchronous standby promoted",
        fail_over,
        target=FAILED_OVER,
        plan=Plan(seconds=45),
        stage=followed,
    ),
)
