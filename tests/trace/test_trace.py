"""Where is my event: every state, told from real links' work."""

import io
import json
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.utils import timezone

from alerts import modes
from destinations import actions, trace
from destinations.fate import Fate
from destinations.forget.run import forget
from destinations.models import Connection, Delivery, Destination, Health
from destinations.replay.create import create
from destinations.replay.selection import Selection
from ingest.history import Asked
from ingest.models import Event, RejectedEvent, Source
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, run_once
from tests.forwarding.world import World, make_world


def fate(message_id: str, destination: str = "hook") -> Fate:
    (traced,) = trace.by_message_id(message_id).events
    (found,) = [fate for fate in traced.fates if fate.destination == destination]
    return found


def test_a_pending_event_becomes_delivered(world: World) -> None:
    world.append("u", "u0")
    assert (fate("u0").state, fate("u0").detail) == ("pending", "its turn has not come yet")

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    found = fate("u0")
    assert (found.state, found.inferred, found.detail) == ("delivered", False, "no failed attempt is on record")
    (traced,) = trace.by_message_id("u0", world.source.pk).events
    assert (traced.event.source, traced.event.user_key, traced.event.in_log) == (world.source.name, "u", True)
    assert traced.event.received_at == Event.objects.get().received_at


def test_a_failed_event_shows_its_attempts_masked_and_its_follower_waits(world: World) -> None:
    world.change(config=world.destination.config | {"headers": [{"from": "X-Token", "to": "s3cret-value"}]})
    world.append("u", "u0", answers=[{"status": 500, "body": "s3cret-value is tired"}])
    world.append("u", "u1")

    run_once(world.destination)

    head, follower = fate("u0"), fate("u1")
    (row,) = world.rows(state="failed")
    assert (head.state, head.reason, head.attempts) == ("failed", "HTTP 500", row.attempts)
    assert head.next_attempt_at == row.next_attempt_at
    assert [(t.status, t.outcome, t.response) for t in head.tries][:1] == [(500, "retry", "*** is tired")]
    assert (follower.state, follower.detail) == ("waiting", "behind an earlier event of the same user")


def test_a_dead_letter_is_found_when_the_log_has_forgotten_it(world: World) -> None:
    world.append("u", "bad", answers=[400])
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")

    (traced,) = trace.by_message_id("bad").events

    (found,) = traced.fates
    assert (found.state, found.reason, found.attempts) == ("aborted", "HTTP 400", 1)
    assert found.response is not None
    assert found.response["status"] == 400
    assert (traced.event.in_log, traced.event.received_at) == (False, None)
    assert json.loads(traced.event.payload or "")["messageId"] == "bad"
    assert trace.by_message_id("bad", world.source.pk + 1).events == []


def test_what_was_accepted_before_the_connection_was_never_owed(world: World) -> None:
    world.append("u", "early")
    late = Destination.objects.create(name="late", type="webhook")
    Connection.objects.create(source=world.source, destination=late)
    assert fate("early", "late").state == "not_connected"
    assert fate("early").state == "pending"


def test_what_was_accepted_while_switched_off_is_filtered_for_certain(world: World) -> None:
    world.append("u", "before")
    world.change(enabled=False)
    world.append("u", "meanwhile")
    assert fate("before").detail == "the connection is switched off; waits for its return"
    assert (fate("meanwhile").state, fate("meanwhile").detail) == ("pending", "will be filtered: disabled")
    world.change(enabled=True)
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    found = fate("meanwhile")
    assert (found.state, found.reason, found.inferred) == ("filtered", "disabled", False)
    assert fate("before").state == "delivered"


def test_what_a_filter_kept_back_is_told_as_inferred(world: World) -> None:
    world.change(event_filter={"deny": ["Seen"]})
    world.append("u", "u0", event="Seen")
    world.append("u", "u1")
    world.append("u", "u2", integrations={"All": False})
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    assert world.sink.ids() == ["u1"]
    assert (fate("u0").state, fate("u0").reason, fate("u0").inferred) == ("filtered", "event_filter", True)
    assert (fate("u1").state, fate("u1").inferred) == ("delivered", True)
    assert (fate("u2").state, fate("u2").reason, fate("u2").inferred) == ("filtered", "integrations", True)


def test_a_forgotten_event_is_told_apart_from_a_filtered_one(world: World) -> None:
    world.append("u", "u0")
    forget("u", actor="ada")
    assert fate("u0").detail == "will be filtered: forgotten"
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    found = fate("u0")
    assert (found.state, found.reason, found.inferred) == ("filtered", "forgotten", True)
    assert found.detail == "its person has been forgotten; whether it had been sent before is not known"


def test_a_filter_set_later_does_not_make_a_delivered_event_look_filtered(world: World) -> None:
    world.append("u", "u0", event="Seen")
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    world.change(event_filter={"deny": ["Seen"]})
    assert (fate("u0").state, fate("u0").inferred) == ("delivered", False)


def test_why_an_event_is_pending(world: World) -> None:
    world.append("u", "u0")
    health = Health.objects.filter(destination=world.destination)
    health.update(breaker="open", probe_at=timezone.now())
    assert fate("u0").detail == "the destination does not answer: its breaker is open"
    health.update(state="held")
    assert fate("u0").detail == "the destination is held"
    modes.set_mode("degraded", "", "test")
    assert fate("u0").detail == "degraded mode: nothing is forwarded"


def test_an_event_above_the_horizon_is_not_yet_readable(world: World) -> None:
    with closing(db.connect("tests", 30)) as raw, raw.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_current_xact_id()")
        world.append("u", "u0")
        assert fate("u0").detail == "an older transaction is still running: it is read when that has ended"
        cursor.execute("COMMIT")
    assert fate("u0").detail == "its turn has not come yet"


def test_what_lies_beyond_a_cursor_is_delivered_and_what_is_open_before_it_pending(world: World) -> None:
    world.append("u", "u0")
    world.append("u", "u1")
    first, second = Event.objects.order_by("xid")
    lanes = world.connection.lane_set.filter(number=first.lane)
    lanes.update(beyond=[[second.xid, second.position]], delivered=1)
    assert (fate("u0").state, fate("u1").state) == ("pending", "delivered")


def test_what_an_operator_passed_over_is_skipped_and_what_had_been_delivered_is_not(world: World) -> None:
    world.append("u", "delivered")
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    actions.pause([world.destination.pk], "ada")
    world.append("u", "owed")
    assert fate("owed").detail == "the destination is paused"
    actions.resume([world.destination.pk], "ada", skip=True)
    assert (fate("owed").state, fate("owed").detail) == ("pending", "will be skipped: passed over by ada")
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    world.append("u", "after")
    assert (fate("owed").state, fate("owed").detail) == ("skipped", "passed over by ada")
    assert (fate("delivered").state, fate("after").state) == ("delivered", "pending")


def test_what_a_replay_could_not_deliver_is_shown_beside_the_live_fate(world: World) -> None:
    world.append("u", "u0", answers=[200, 400])
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    replay = create(Selection(world.destination.pk), "ada")
    with forwarding([world.destination]):
        assert eventually(lambda: Delivery.objects.filter(replay=replay.pk).exists())
    found = fate("u0")
    assert found.state == "delivered"
    assert [(again.replay_id, again.state, again.reason) for again in found.replays] == [
        (replay.pk, "aborted", "HTTP 400")
    ]
    assert f"replay {replay.pk}: aborted HTTP 400" in run("u0")[1]


def test_the_same_message_id_of_two_sources_is_two_events(world: World) -> None:
    other = make_world(world.sink, "other")
    world.append("u", "same")
    other.append("u", "same")
    found = trace.by_message_id("same").events
    assert {(t.event.source, tuple(f.destination for f in t.fates)) for t in found} == {
        (world.source.name, ("hook",)),
        (other.source.name, ("other",)),
    }
    assert [t.event.source for t in trace.by_message_id("same", other.source.pk).events] == [other.source.name]


def test_a_destination_of_a_type_that_is_gone_is_traced_all_the_same(world: World) -> None:
    world.append("u", "u0")
    world.change(type="smoke-signal")
    assert fate("u0").state == "pending"


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors of the command."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("trace", *arguments, stdout=out, stderr=err)
    except SystemExit as stopped:
        return int(str(stopped.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_the_command_tells_where_an_event_is(world: World) -> None:
    world.append("u", "u0", answers=[{"status": 503, "retry_after": "600", "body": "later"}])
    run_once(world.destination)
    status, text, _ = run("u0")
    assert status == 0
    assert f"u0: accepted {Event.objects.get().received_at:%Y-%m-%dT%H:%M:%S}" in text
    assert f"from {world.source.name}, user u" in text
    assert "hook: failed" in text
    assert "HTTP 503; 1 attempt; next attempt" in text
    assert "HTTP 503 retry" in text
    assert "later" in text


def test_the_command_says_when_there_is_no_such_event(world: World) -> None:
    assert run("nowhere") == (1, "no such event was accepted or rejected\n", "")
    status, text, _ = run("nowhere", "--json")
    assert (status, json.loads(text)) == (1, {"events": [], "rejected": [], "complete": True})


def test_the_command_shows_rejected_events(world: World) -> None:
    RejectedEvent.objects.create(
        source=world.source, received_at=timezone.now(), message_id="m", reason="too deep", payload="{}"
    )
    status, text, _ = run("m", "--source", world.source.name)
    assert status == 0
    assert "m: rejected" in text
    assert "too deep" in text


def test_the_command_prints_json_with_times_in_utc(world: World) -> None:
    world.append("u", "u0")
    _, text, _ = run("--user", "u", "--json")
    (event,) = json.loads(text)["events"]
    assert event["received_at"].endswith("Z")
    assert event["payload"]["messageId"] == "u0"
    assert [(d["destination"], d["state"]) for d in event["destinations"]] == [("hook", "pending")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a message id, --user, --since or --until"),
        (["m", "--user", "u"], "a message id and --user do not go together"),
        (["m", "--source", "nope"], "no source named 'nope'"),
    ],
)
def test_wrong_use_is_told_in_one_line(committed: None, arguments: list[str], message: str) -> None:
    assert run(*arguments) == (2, "", f"{message}\n")


def ids(*arguments: str) -> list[str]:
    return [event["message_id"] for event in json.loads(run(*arguments, "--json")[1])["events"]]


def test_a_users_events_are_walked_newest_first_within_a_range(world: World) -> None:
    for number in range(5):
        world.append("u", f"u{number}")
        world.append("v", f"v{number}")
    with database.cursor() as cursor:  # an hour apart
        cursor.execute(
            "UPDATE ingest_event SET received_at = now() - (5 - right(message_id, 1)::int) * interval '1 hour'"
        )
        cursor.execute("UPDATE ingest_event SET day = (received_at AT TIME ZONE 'UTC')::date")
    assert ids("--user", "u") == ["u4", "u3", "u2", "u1", "u0"]
    assert ids("--user", "u", "--limit", "2") == ["u4", "u3"]
    assert ids("--since", "3h", "--user", "v") == ["v4", "v3"]
    until = (timezone.now() - timedelta(hours=2.5)).isoformat()
    assert ids("--until", until, "--user", "u") == ["u2", "u1", "u0"]
    assert ids("--since", "4h", "--until", until) == ["v2", "u2"]
    assert ids("--user", "u", "--source", world.source.name, "--since", "90m") == ["u4"]
    assert run("--user", "w")[0] == 1


def test_a_rare_users_events_are_found_page_after_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.history.SCANNED_EVENTS", 100)
    other = next(f"o{n}" for n in range(1000) if world.event(f"o{n}", "x").lane == world.event("u", "x").lane)
    second = Source.objects.create(name="second", write_key="second")
    world.append("u", "u0")
    world.append(other, *(f"a{n}" for n in range(150)))
    world.append("u", "u1")
    world.append(other, *(f"b{n}" for n in range(250)))
    page = trace.walk(Asked(user_key="u"), 10)
    assert (page.events, page.next_before is None) == ([], False)
    assert ids("--user", "u") == ["u1", "u0"]
    assert ids("--user", "u", "--limit", "1") == ["u1"]
    assert ids("--user", "u", "--source", second.name) == []


def test_pages_of_the_log_follow_each_other_without_a_hole(world: World) -> None:
    for number in range(30):
        world.append(f"u{number % 7}", f"m{number}")
    seen: list[Any] = []
    before = None
    while True:
        page = trace.walk(Asked(source_id=world.source.pk), 4, before)
        seen += [traced.event.message_id for traced in page.events]
        before = page.next_before
        if before is None:
            break
    assert seen == [f"m{number}" for number in reversed(range(30))]


def test_finding_by_message_id_reads_no_whole_table(world: World) -> None:
    world.append("u", "u0")
    with database.cursor() as cursor:
        for table in ("destinations_delivery", "ingest_rejectedevent"):
            cursor.execute(f"SET enable_seqscan = off; EXPLAIN SELECT 1 FROM {table} WHERE message_id = 'x'")
            assert "Index" in str(cursor.fetchall())
        cursor.execute("SET enable_seqscan = on")


def test_a_row_of_the_same_event_at_another_connection_keeps_its_own_fate(world: World) -> None:
    second = Destination.objects.create(
        name="second", type="webhook", config={"webhookUrl": world.sink.url, "webhookMethod": "POST"}
    )
    Connection.objects.create(source=world.source, destination=second)
    world.append("u", "u0")
    run_once(world.destination)
    assert (fate("u0", "hook").state, fate("u0", "second").state) == ("delivered", "pending")
    assert Delivery.objects.count() == 0
