"""While a suspect is open nobody but an examination touches its lane; the others go on."""

from contextlib import closing

import pytest
from django.conf import settings
from django.db import connection
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts import modes
from alerts.models import Crash, Incident, Mode
from destinations import actions, control, health, lanes, reader
from destinations.forward import Forwarder
from destinations.models import Connection as Link
from destinations.models import Health, Suspect
from destinations.replay.create import create
from destinations.replay.selection import Selection
from destinations.retry import RetryPolicy
from destinations.suspects import looking, telling, verdict
from destinations.sweep import with_work
from ingest.hashing import lane_of
from rudderproj import db
from tests.forwarding.workers import LIMITS, limits, run_once
from tests.forwarding.world import World
from tests.suspects.crashes import crash, entry, states

OTHER = next(f"u{n}" for n in range(100) if lane_of(f"u{n}") != lane_of("a"))


def work(world: World) -> None:
    """A forwarding task in this process: suspects first, then links."""
    forwarder = Forwarder(LIMITS)
    try:
        forwarder.work(world.destination.pk)
    finally:
        forwarder.close()


def test_links_leave_the_lane_alone_and_serve_the_others(world: World, raw: Connection) -> None:
    world.append("a", "a0")
    world.append(OTHER, "o0")
    crash(entry(world, "a0"))
    run_once(world.destination)
    assert world.sink.ids() == ["o0"]
    assert not reader.has_work(raw, world.destination.pk, unsettled=True)
    assert with_work(raw) == [world.destination.pk]
    work(world)
    assert world.sink.ids() == ["o0", "a0"]
    assert with_work(raw) == []


def test_a_task_looks_for_suspects_of_any_destination_first(world: World, raw: Connection) -> None:
    world.append("a", "a0", "a1")
    crash(entry(world, "a0"))
    forwarder = Forwarder(LIMITS)
    forwarder.work(10**6)  # of a destination that is gone
    forwarder.close()
    assert world.sink.ids() == ["a0"]
    assert states() == {"a0": "cleared"}
    assert looking.destinations(raw) == []


def test_a_user_s_events_are_worked_in_order_up_to_the_suspect_alone(world: World) -> None:
    world.append("a", "a0", "a1", "a2", "a3")
    crash(entry(world, "a2"), entry(world, "a1"))
    forwarder = Forwarder(LIMITS)
    forwarder.work(10**6)
    forwarder.close()
    assert world.sink.ids() == ["a0", "a1", "a2"]
    assert states() == {"a1": "cleared", "a2": "cleared"}
    work(world)
    assert world.report().is_clean


@pytest.mark.parametrize("answers", [[500, 200], [400], ["reset", 200]])
def test_whatever_the_answer_a_process_that_lives_clears_the_suspect(world: World, answers: list[object]) -> None:
    world.append("a", "a0", answers=answers)
    world.append("a", "a1")
    crash(entry(world, "a0"))
    work(world)
    assert states() == {"a0": "cleared"}
    assert world.balance()["difference"] == 0


def test_a_suspect_behind_a_failed_event_is_let_go_untouched(world: World) -> None:
    world.append("a", "a0", answers=[500])
    world.append("a", "a1")
    crash(entry(world, "a1"))
    work(world)
    assert states() == {"a1": "cleared"}
    assert set(world.sink.ids()) == {"a0"}
    assert [row.state for row in world.rows()] == ["failed", "waiting"]


def test_a_suspect_that_was_settled_meanwhile_is_let_go(world: World) -> None:
    world.append("a", "a0")
    suspected = entry(world, "a0")
    run_once(world.destination)
    crash(suspected)
    work(world)
    assert states() == {"a0": "cleared"}
    assert world.sink.ids() == ["a0"]


def test_a_failed_row_is_tried_alone_as_well(world: World) -> None:
    world.append("a", "a0", answers=[500, 200])
    world.append("a", "a1", "a2")
    run_once(world.destination, limits(retry=RetryPolicy(3600, 3, base_seconds=3600, max_seconds=3600)))
    assert [row.state for row in world.rows()] == ["failed", "waiting", "waiting"]
    crash(entry(world, "a0"), entry(world, "a1"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE destinations_delivery SET next_attempt_at = now() WHERE state = 'failed'")
    forwarder = Forwarder(LIMITS)
    forwarder.work(10**6)
    forwarder.close()
    assert world.sink.ids() == ["a0", "a0", "a1"]
    assert states() == {"a0": "cleared", "a1": "cleared"}


@pytest.mark.parametrize("stop", ["paused", "held", "degraded", "forced", "breaker", "switched off"])
def test_suspects_wait_while_nothing_may_be_sent(
    world: World, raw: Connection, stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.append("a", "a0")
    crash(entry(world, "a0"))
    if stop == "degraded":
        modes.set_mode(Mode.Value.DEGRADED, "test", "test")
    elif stop == "forced":
        monkeypatch.setitem(settings.ENV, "RSERVER_MODE", "degraded")
    elif stop == "breaker":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE destinations_health SET breaker = 'open', probe_at = now() + interval '1 hour'")
    elif stop == "switched off":
        Link.objects.update(enabled=False)
    else:
        Health.objects.update(state=stop)
    assert looking.destinations(raw) == []
    work(world)
    assert (world.sink.ids(), states()) == ([], {"a0": "open"})


def test_a_mode_that_is_forced_upon_a_degraded_deployment_lets_suspects_be_tried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.append("a", "a0")
    crash(entry(world, "a0"))
    modes.set_mode(Mode.Value.DEGRADED, "test", "test")
    monkeypatch.setitem(settings.ENV, "RSERVER_MODE", "normal")
    work(world)
    assert (world.sink.ids(), states()) == (["a0"], {"a0": "cleared"})


def test_the_only_event_there_is_closes_an_open_breaker(world: World) -> None:
    world.append("a", "a0")
    crash(entry(world, "a0"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE destinations_health SET breaker = 'open', probe_at = now(), opened_at = now()")
    work(world)
    assert (world.sink.ids(), states(), world.health().breaker) == (["a0"], {"a0": "cleared"}, "closed")


def test_a_probe_that_fails_clears_its_suspect_and_leaves_the_event_pending(world: World) -> None:
    world.append("a", "a0", answers=[500])
    crash(entry(world, "a0"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE destinations_health SET breaker = 'open', probe_at = now(), opened_at = now()")
    work(world)
    assert (states(), world.health().breaker, world.health().probes_failed) == ({"a0": "cleared"}, "open", 1)
    assert (world.rows(), world.balance()["pending"]) == ([], 1)


def test_suspects_of_a_destination_that_fails_open_its_breaker(world: World) -> None:
    users = [f"u{number}" for number in range(8)]
    for user in users:
        world.append(user, f"{user}-0", answers=[500])
    crash(*[entry(world, f"{user}-0") for user in users])
    work(world)
    assert world.health().breaker == "open"
    assert sorted(states().values()) == ["cleared"] * 3 + ["open"] * 5


def test_while_a_link_is_suspected_no_other_begins_and_running_ones_stop(world: World, raw: Connection) -> None:
    world.append("a", "a0")
    crash({"destination": world.destination.pk})
    run_once(world.destination)
    assert world.sink.ids() == []
    seen = control.read(raw, world.destination.pk)
    assert seen
    assert (seen.stopped_because, seen.config) == ("suspected", {})
    work(world)
    assert (world.sink.ids(), states()) == (["a0"], {"hook": "cleared"})


def test_what_is_guilty_is_aborted_untouched_though_its_user_s_earlier_event_fails(world: World) -> None:
    world.append("a", "a0", answers=[500, 500, 500])
    world.append("a", "a1", "a2")
    died = crash(entry(world, "a1"))
    Suspect.objects.update(deaths_alone=2)
    work(world)
    letter, failed = world.rows(state="aborted"), world.rows(state="failed")
    assert [row.message_id for row in letter] == ["a1"]
    assert [row.message_id for row in failed] == ["a0"]
    died.refresh_from_db()
    assert died.explained == "event a1"
    incident = Incident.objects.get(kind="poison_event")
    assert incident.resolved_at is None
    assert incident.summary == "event a1 for hook killed the worker and was given up"
    assert "user" not in str(incident.details)


def test_the_incident_ends_once_a_replay_delivered_the_event(world: World, raw: Connection) -> None:
    world.append("a", "a0")
    crash(entry(world, "a0"))
    Suspect.objects.update(deaths_alone=2)
    work(world)
    assert telling.end_what_is_over(raw) == 0
    create(Selection(world.destination.pk, origin="dead_letters"), actor="operator")
    work(world)
    assert world.sink.ids() == ["a0"]
    assert telling.end_what_is_over(raw) == 1
    assert not Incident.objects.filter(resolved_at=None).exists()


def test_a_suspect_of_a_replay_is_tried_alone_too(world: World, raw: Connection) -> None:
    world.append("a", "a0", "a1")
    run_once(world.destination)
    made = create(Selection(world.destination.pk), actor="operator")
    crash(entry(world, "a0", replay=made.pk))
    run_once(world.destination)
    assert world.sink.ids() == ["a0", "a1"], "its lane is nobody's"
    forwarder = Forwarder(LIMITS)
    forwarder.work(10**6)
    forwarder.close()
    assert world.sink.ids() == ["a0", "a1", "a0"]
    assert states() == {"a0": "cleared"}
    work(world)
    assert world.sink.ids() == ["a0", "a1", "a0", "a1"]


def test_skipping_on_resume_lets_go_what_is_suspected(world: World) -> None:
    world.append("a", "a0")
    crash(entry(world, "a0"))
    actions.pause([world.destination.pk], "operator")
    actions.resume([world.destination.pk], "operator", skip=True)
    work(world)
    assert (world.sink.ids(), states(), world.balance()["skipped"]) == ([], {"a0": "cleared"}, 1)


def test_only_a_holder_of_a_good_claim_takes_a_suspect_s_lane(world: World, raw: Connection) -> None:
    world.append("a", "a0")
    crash(entry(world, "a0"))
    token = lanes.open_claim(raw, world.destination.pk, "me", 1, 600)
    assert token
    lanes.give_up(raw, [token])
    assert lanes.take_suspect(raw, token, world.destination.pk, [], []) is None


def test_suspects_of_a_whole_process_are_looked_into_one_at_a_time(world: World, raw: Connection) -> None:
    world.append("a", "a0")
    with closing(db.connect("tests", 5)) as other:
        crash(entry(world, "a0"))
        assert (looking.take_turn(raw), looking.take_turn(other)) == (None, None)
        Crash.objects.update(kind="process")
        assert (looking.take_turn(raw), looking.take_turn(other)) == (True, False)
        looking.give_turn(raw)
        assert looking.take_turn(other) is True


def test_deaths_that_are_recorded_once_a_destination_is_held_are_explained_too(world: World, raw: Connection) -> None:
    world.append("a", "a0")
    world.append("b", "b0")
    other = crash(entry(world, "a0"))
    for _ in range(2):
        crash({"destination": world.destination.pk})
    work(world)
    assert world.health().state == "held"
    late = [crash({"destination": world.destination.pk}), crash(entry(world, "b0")), crash(entry(world, "a0"))]
    verdict.explain_late(raw)
    for one in (other, *late):
        one.refresh_from_db()
        assert one.explained == f"destination {world.destination.name}"
    assert Crash.objects.filter(explained=other.explained).count() == 6


def test_a_death_of_a_destination_that_is_held_for_another_reason_counts(world: World, raw: Connection) -> None:
    world.append("a", "a0")
    assert health.hold(raw, world.destination.pk, "401")
    late = crash(entry(world, "a0"))
    verdict.explain_late(raw)
    late.refresh_from_db()
    assert late.explained == ""
