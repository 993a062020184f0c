"""A log from another cluster: nothing is stored or forwarded until it is rebased, and then nothing was lost."""

from contextlib import closing
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from destinations import actions
from ingest import home, log, tally
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, run_once
from tests.forwarding.world import World
from tests.ingest.web import WebProcess

AHEAD = 120_000  # more than one step


def move_elsewhere(world: World) -> None:
    """As after a dump and its restore into a cluster whose transaction ids are `AHEAD` behind."""
    log.stop()
    tables = {
        "ingest_event": "xid",
        "ingest_tally": "through_xid",
        "ingest_milestone": "xid",
        "destinations_lane": "xid",
        "destinations_connection": "start_xid",
    }
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # a restore fires no triggers either
        for table, column in tables.items():
            cursor.execute(f"UPDATE {table} SET {column} = {column} + {AHEAD}")
        cursor.execute("RESET session_replication_role")
    with closing(db.connect("test", 10)) as raw:
        assert home.doubt(raw) == home.REASON


def test_nothing_is_stored_or_forwarded_while_the_log_is_not_at_home(world: World) -> None:
    world.append("u", "a")
    move_elsewhere(world)

    with pytest.raises(log.LogUnavailable, match=r"manage\.py rebase"):
        world.append("u", "b")
    assert run_once(world.destination) is False
    assert world.sink.arrivals == []


def test_ready_says_why_and_that_it_is_over(world: World, process_env: dict[str, str]) -> None:
    world.append("u", "a")
    move_elsewhere(world)
    web = WebProcess(process_env)
    try:
        assert web.get("/ready")[::2] == (503, home.REASON.encode())
        assert web.track({"userId": "u", "event": "e"}, key=world.source.write_key)[0] == 503

        call_command("rebase", stdout=StringIO(), stderr=StringIO())

        assert eventually(lambda: web.get("/ready")[0] == 200)
        assert eventually(lambda: web.track({"userId": "u", "event": "e"}, key=world.source.write_key)[0] == 200)
    finally:
        web.stop()


def test_after_a_rebase_everything_old_and_new_is_delivered_in_order(world: World) -> None:
    world.append("u", "a", "b")
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    world.append("u", "c")
    move_elsewhere(world)
    with closing(db.connect("test", 10)) as raw:
        assert tally.roll_up_all(raw) == 0  # a roll-up meanwhile must not count again later

    said = StringIO()
    call_command("rebase", stdout=said, stderr=StringIO())
    world.append("u", "d")
    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert said.getvalue() == "the event log is this cluster's own now\n"
    assert world.sink.ids() == ["a", "b", "c", "d"]
    assert world.balance()["difference"] == 0


def test_cursors_alone_tell_a_foreign_log_too(world: World) -> None:
    move_elsewhere(world)

    with pytest.raises(log.LogUnavailable, match=r"manage\.py rebase"):
        world.append("u", "a")


def test_a_log_that_is_at_home_is_left_alone(world: World) -> None:
    world.append("u", "a")
    said = StringIO()

    call_command("rebase", stdout=said)

    assert said.getvalue() == "the event log is this cluster's own: nothing to do\n"
    assert world.balance()["pending"] == 1


MARKS = {  # what may lie ahead of the cluster although the whole log is behind: other statements use up ids too
    "skip": """UPDATE destinations_destinationaction SET snapshot = %(ahead)s || ':' || %(ahead)s || ':'
        WHERE action = 'skip'""",
    "gap": "UPDATE destinations_gap SET from_xid = from_xid + 1, to_xid = %(ahead)s",
}


@pytest.mark.parametrize("mark", MARKS)
def test_no_new_event_falls_into_a_skip_or_gap_of_another_cluster(world: World, mark: str) -> None:
    actions.pause([world.destination.pk], "ann")
    actions.resume([world.destination.pk], "ann", skip=True)
    world.change(enabled=False)
    world.change(enabled=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        (next_xid,) = cursor.fetchone() or (0,)
        cursor.execute(MARKS[mark], {"ahead": next_xid + AHEAD})

    with pytest.raises(log.LogUnavailable, match=r"manage\.py rebase"):
        world.append("u", "a")
    call_command("rebase", stdout=StringIO(), stderr=StringIO())
    world.accepted.clear()
    log.stop()  # whoever was refused a moment ago asks again a little later only
    world.append("u", "b")
    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert world.sink.ids() == ["b"]
