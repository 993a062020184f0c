"""A crash that is stored makes suspects of what was in flight, in the same moment."""

import pytest

from alerts.models import Crash
from destinations.models import Suspect
from destinations.suspects import describe
from tests.forwarding.world import World
from tests.suspects.crashes import crash, deaths_alone, entry, states


@pytest.fixture
def busy(world: World) -> World:
    world.append("a", "a0", "a1")
    world.append("b", "b0")
    return world


def test_every_event_in_flight_is_suspected_where_it_stands(busy: World) -> None:
    died = crash(entry(busy, "a0"), entry(busy, "b0"))
    found = entry(busy, "a0")
    row = Suspect.objects.get(message_id="a0")
    assert (row.destination, row.connection, row.lane) == (busy.destination, busy.connection, found["lane"])
    assert (row.xid, row.position, row.user_key) == (found["xid"], found["position"], "a")
    assert row.crashes == [str(died.pk)]
    assert deaths_alone() == {"a0": 0, "b0": 0}


def test_only_a_death_with_nothing_else_in_flight_names_its_event(busy: World) -> None:
    first = crash(entry(busy, "a0"), entry(busy, "b0"))
    second = crash(entry(busy, "a0"))
    third = crash(entry(busy, "a0"), entry(busy, "b0"))
    assert deaths_alone() == {"a0": 1, "b0": 0}
    assert Suspect.objects.get(message_id="a0").crashes == [str(c.pk) for c in (first, second, third)]


def test_of_processes_that_died_together_the_one_event_under_examination_is_named(busy: World) -> None:
    crash(entry(busy, "a0") | {"examined": True}, entry(busy, "b0"))
    assert deaths_alone() == {"a0": 1, "b0": 0}
    crash(entry(busy, "a0") | {"examined": True}, entry(busy, "b0") | {"examined": True})
    assert deaths_alone() == {"a0": 1, "b0": 0}
    crash({"destination": busy.destination.pk, "examined": True}, entry(busy, "b0"))
    assert deaths_alone() == {"a0": 1, "b0": 0, "hook": 1}


def test_a_link_that_had_just_begun_is_suspected_once_per_destination(busy: World) -> None:
    crash({"destination": busy.destination.pk})
    crash({"destination": busy.destination.pk})
    assert states() == {"hook": "open"}
    assert deaths_alone() == {"hook": 2}


def test_a_suspect_that_was_settled_may_be_suspected_again(busy: World) -> None:
    crash(entry(busy, "a0"))
    Suspect.objects.update(state="cleared", settled_at=Crash.objects.get().at)
    crash(entry(busy, "a0"))
    assert sorted(Suspect.objects.values_list("state", flat=True)) == ["cleared", "open"]
    assert deaths_alone() == {"a0": 1}


def test_what_is_gone_makes_no_suspect(busy: World) -> None:
    gone = entry(busy, "a0")
    crash(gone | {"position": 77}, gone | {"connection": 10**6}, {"destination": 10**6})
    assert states() == {}
    assert Crash.objects.get().explained == ""


def test_a_test_event_explains_its_death_by_itself(busy: World) -> None:
    sent = {"destination": busy.destination.pk, "connection": 0, "lane": -1, "replay": 0, "xid": 0, "position": -1}
    alone, beside = crash(sent), crash(sent, entry(busy, "a0"))
    assert states() == {"a0": "open"}
    assert deaths_alone() == {"a0": 0}
    alone.refresh_from_db()
    beside.refresh_from_db()
    assert (alone.explained, beside.explained) == ("a test event", "")


def test_a_dead_letter_outlives_the_log_as_a_suspect_too(busy: World) -> None:
    found = entry(busy, "a0", replay=3)
    busy.connection.delivery_set.create(
        lane=found["lane"],
        user_key="a",
        xid=found["xid"],
        position=found["position"] + 50,
        day="2026-01-01",
        message_id="long ago",
        state="aborted",
        payload="{}",
    )
    crash(found | {"position": found["position"] + 50})
    row = Suspect.objects.get()
    assert (row.message_id, row.replay, str(row.day)) == ("long ago", 3, "2026-01-01")


def test_people_read_names(busy: World) -> None:
    known, begun, gone = entry(busy, "a0"), {"destination": busy.destination.pk}, {"destination": 0}
    sent = {"destination": busy.destination.pk, "connection": 0, "lane": -1, "replay": 0, "xid": 0, "position": -1}
    assert describe([known, begun, sent, known | {"position": 9, "replay": 4}, gone]) == [
        "hook: event a0 of source of hook",
        "hook: its link was about to begin",
        "hook: a test event",
        "hook: event no longer kept of source of hook, sent by replay 4",
        "destination 0, deleted since: its link was about to begin",
    ]
    assert describe([]) == []
