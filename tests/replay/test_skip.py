"""Resuming a destination with skip: exactly what was owed at that moment is passed over, and counted."""

import threading
from contextlib import closing

from destinations import actions
from destinations.models import DestinationAction, Health, Lane
from destinations.sweep import with_work
from ingest import log
from ingest.models import Event
from ingest.statements import insert_events
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, run_once
from tests.forwarding.world import World

FAR_OFF = [{"status": 503, "retry_after": "3000"}, 200]


def pause(world: World) -> None:
    assert actions.pause([world.destination.pk], "ada", "maintenance") == 1


def skip(world: World) -> None:
    assert actions.resume([world.destination.pk], "grace", skip=True, reason="too old") == 1


def settle(world: World) -> dict[str, int]:
    with forwarding([world.destination], threads=2):
        assert eventually(world.is_settled)
    return world.balance()


def test_what_is_owed_is_skipped_and_what_comes_later_delivered(world: World) -> None:
    pause(world)
    world.many(users=20, each=5)
    skip(world)
    world.append("u0", "later")
    terms = settle(world)
    assert world.sink.ids() == ["later"]
    assert (terms["skipped"], terms["delivered"], terms["difference"]) == (100, 1, 0)
    assert world.health().state == "ok"


def test_resuming_without_skip_delivers_everything(world: World) -> None:
    pause(world)
    world.many(users=3, each=3)
    assert actions.resume([world.destination.pk], "grace") == 1
    assert settle(world)["delivered"] == 9
    assert world.report().is_clean


def test_a_failed_row_with_a_retry_far_off_and_what_waits_behind_it_are_skipped_at_once(world: World) -> None:
    world.append("u", "failed", answers=FAR_OFF)
    with forwarding([world.destination]):
        assert eventually(lambda: world.rows(state="failed"))
        world.append("u", "waiting", "waiting too")
        assert eventually(lambda: len(world.rows(state="waiting")) == 2)
    pause(world)
    world.append("u", "pending")
    skip(world)
    world.append("u", "later")
    terms = settle(world)
    assert world.sink.ids() == ["failed", "later"]
    assert (terms["skipped"], terms["delivered"], terms["difference"]) == (4, 1, 0)
    assert {(row.state, row.reason, row.next_attempt_at) for row in world.rows()} >= {
        ("skipped", "skipped by grace", None)
    }
    assert {row.state for row in world.rows()} <= {"skipped", "delivered"}


def test_the_sweep_rings_for_a_row_that_is_to_be_skipped(world: World) -> None:
    world.append("u", "failed", answers=FAR_OFF)
    with forwarding([world.destination]):
        assert eventually(lambda: world.rows(state="failed"))
    with closing(db.connect("tests", 10)) as raw:
        assert with_work(raw) == []
        pause(world)
        skip(world)
        assert with_work(raw) == [world.destination.pk]
        run_once(world.destination)
        assert with_work(raw) == []
    assert [row.state for row in world.rows()] == ["skipped"]


def test_an_event_whose_commit_came_after_the_skip_is_delivered_whatever_its_xid(world: World) -> None:
    pause(world)
    with closing(db.connect("open", 30)) as early:
        early.autocommit = False
        insert_events(early, [world.event("slow", "accepted after the skip")])
        world.accepted["slow"].append("accepted after the skip")
        world.append("quick", "accepted before the skip")
        skip(world)
        early.commit()
    assert Event.objects.order_by("xid")[0].message_id == "accepted after the skip"
    terms = settle(world)
    assert world.sink.ids() == ["accepted after the skip"]
    assert (terms["skipped"], terms["delivered"], terms["difference"]) == (1, 1, 0)


def test_nothing_accepted_after_the_skip_is_skipped_while_events_pour_in(world: World) -> None:
    stop, after = threading.Event(), list[str]()
    skipped = threading.Event()

    def feed(user: str) -> None:
        number = 0
        while not stop.is_set():
            was_skipped = skipped.is_set()
            name = f"{user}-{number}"
            log.append([world.event(user, name)])
            world.accepted[user].append(name)
            if was_skipped:
                after.append(name)
            number += 1

    pause(world)
    feeders = [threading.Thread(target=feed, args=[f"user{n}"]) for n in range(4)]
    with forwarding([world.destination], threads=2):
        for feeder in feeders:
            feeder.start()
        try:
            assert eventually(lambda: sum(map(len, world.accepted.values())) > 200)
            skip(world)
            skipped.set()
            assert eventually(lambda: len(after) > 200)
        finally:
            stop.set()
            for feeder in feeders:
                feeder.join()
        assert eventually(world.is_settled)
    terms = world.balance()
    assert terms["skipped"] >= 200
    assert terms["difference"] == 0
    assert set(after) <= set(world.sink.ids())
    arrived = set(world.sink.ids())
    for order in world.accepted.values():  # the skipped ones are a beginning, the rest came in order
        first = next(n for n, name in enumerate(order) if name in arrived)
        assert [name for name in world.sink.ids() if name in set(order)] == order[first:]


def test_what_was_accepted_while_a_connection_was_off_is_filtered_not_skipped(world: World) -> None:
    world.connection.enabled = False
    world.connection.save()
    world.append("u", "off")
    world.connection.enabled = True
    world.connection.save()
    pause(world)
    world.append("u", "on")
    skip(world)
    terms = settle(world)
    assert (terms["filtered"], terms["skipped"], terms["difference"]) == (1, 1, 0)
    assert world.sink.ids() == []


def test_an_open_breaker_does_not_keep_a_backlog_from_being_skipped(world: World) -> None:
    world.many(users=5, each=10)
    world.sink.refuse_connections()
    with forwarding([world.destination]):
        assert eventually(lambda: world.health().breaker != "closed")
    pause(world)
    skip(world)
    assert world.health().breaker == "closed"
    world.sink.accept_connections()
    terms = settle(world)
    assert (terms["skipped"], terms["delivered"], terms["difference"]) == (50, 0, 0)


def test_a_probe_passes_over_what_is_skipped(world: World) -> None:
    pause(world)
    world.many(users=5, each=2)
    skip(world)
    world.append("u0", "later")
    Health.objects.update(breaker="open", probe_at="2020-01-01T00:00:00Z")
    run_once(world.destination)
    assert world.health().breaker == "closed"
    assert world.sink.ids() == ["later"]
    assert settle(world)["skipped"] == 10


def test_who_skipped_an_event_can_be_told(world: World) -> None:
    def skipped_by(message_id: str) -> str | None:
        event = Event.objects.get(message_id=message_id)
        lane = Lane.objects.get(connection=world.connection, number=event.lane)
        action = actions.skipped_by(lane, event.xid, event.position)
        return f"{action.actor}: {action.reason}" if action else None

    world.append("u", "delivered")
    settle(world)
    pause(world)
    world.append("u", "skipped")
    skip(world)
    settle(world)
    world.append("u", "later")
    settle(world)
    pause(world)
    actions.resume([world.destination.pk], "eve", skip=True)
    settle(world)
    assert [skipped_by(name) for name in ("delivered", "skipped", "later")] == [None, "grace: too old", None]


def test_every_action_is_kept_once_with_who_and_why(world: World) -> None:
    pause(world)
    assert actions.pause([world.destination.pk], "eve") == 0
    Health.objects.update(state="held")
    assert actions.resume([world.destination.pk], "grace") == 1
    assert actions.resume([world.destination.pk], "grace", skip=True) == 0
    kept = DestinationAction.objects.order_by("id").values_list("action", "from_state", "actor", "reason")
    assert list(kept) == [("pause", "ok", "ada", "maintenance"), ("resume", "held", "grace", "")]
