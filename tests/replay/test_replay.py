"""Replaying: a range of the log or dead letters, in order, beside live traffic, with every count exact."""

from destinations import actions, status
from destinations.models import Delivery, Health, Lane, ReplayAction
from ingest.models import Event
from tests.forwarding.workers import eventually, forwarding
from tests.forwarding.world import World
from tests.replay.replays import DEAD_LETTERS, deliver, in_order, is_finished, numbers, run, start


def test_the_log_is_sent_again_in_order_and_counted_apart(world: World) -> None:
    world.many(users=30, each=6)
    deliver(world)
    before = world.balance()
    first = len(world.sink.arrivals)

    replay = start(world)
    run(world, replay)

    again = world.sink.ids()[first:]
    assert sorted(again) == sorted(name for order in world.accepted.values() for name in order)
    assert in_order(world, again)
    assert numbers(replay, "total", "delivered", "pending", "failed", "waiting", "aborted") == [180, 180, 0, 0, 0, 0]
    assert world.balance() == before
    assert not Lane.objects.filter(replay=replay.pk).exists()
    kept = ReplayAction.objects.filter(replay=replay).order_by("id").values_list("action", "actor")
    assert list(kept) == [("create", "ada"), ("finish", "")]


def test_dead_letters_that_are_delivered_are_none_any_more(world: World) -> None:
    world.many(users=5, each=3)
    for user in ("a", "b", "c"):
        world.append(user, f"{user}-dead", answers=[400, 200])
        world.append(user, f"{user}-fine")
    world.append("d", "d-dead", answers=[400, 422, 200])
    deliver(world)
    assert world.balance()["aborted"] == 4

    replay = start(world, origin=DEAD_LETTERS)
    run(world, replay)

    terms = world.balance()
    assert (terms["aborted"], terms["dead_letters"], terms["delivered"], terms["difference"]) == (1, 1, 21, 0)
    assert numbers(replay, "total", "delivered", "aborted", "pending") == [4, 3, 1, 0]
    assert [row.message_id for row in world.rows(state="aborted", replay=0)] == ["d-dead"]
    recovered = world.rows(state="delivered", replay=0)
    assert {row.reason for row in recovered} == {f"replay {replay.pk}"}

    shown = status.snapshot()["connections"][0]
    assert (shown["aborted"], shown["delivered"], shown["difference"]) == (1, 21, 0)

    again = start(world, origin=DEAD_LETTERS)
    run(world, again)
    terms = world.balance()
    assert (terms["aborted"], terms["delivered"], terms["difference"]) == (0, 22, 0)


def test_a_dead_letter_that_two_replays_deliver_at_once_is_counted_once(world: World) -> None:
    world.append("u", "dead", answers=[400, {"delay_seconds": 0.2}, {"delay_seconds": 0.8}])
    deliver(world)
    run(world, start(world, origin=DEAD_LETTERS), start(world, origin=DEAD_LETTERS))
    assert world.sink.ids() == ["dead"] * 3
    terms = world.balance()
    assert (terms["aborted"], terms["delivered"], terms["difference"]) == (0, 1, 0)


def test_a_dead_letter_is_sent_when_the_log_is_gone(world: World) -> None:
    world.append("u", "dead", answers=[400, 200])
    deliver(world)
    Event.objects.all().delete()
    replay = start(world, origin=DEAD_LETTERS)
    run(world, replay)
    assert world.sink.ids() == ["dead", "dead"]
    assert [row.state for row in world.rows(replay=0)] == ["delivered"]


def test_failures_of_a_replay_are_retried_as_its_own_rows(world: World) -> None:
    world.append("u", "first", answers=[200, 503, 503, 200])
    world.append("u", "second")
    world.append("v", "refused", answers=[200, 400])
    deliver(world)
    first = len(world.sink.arrivals)

    replay = start(world)
    run(world, replay)

    again = [name for name in world.sink.ids()[first:] if name != "refused"]
    assert again == ["first", "first", "first", "second"]
    assert numbers(replay, "delivered", "aborted", "failed", "waiting") == [2, 1, 0, 0]
    assert {row.state for row in Delivery.objects.filter(replay=replay.pk)} == {"delivered", "aborted"}
    terms = world.balance()
    assert (terms["delivered"], terms["aborted"], terms["difference"]) == (3, 0, 0)


def test_an_event_waits_for_what_is_owed_live_to_its_user_before_it(world: World) -> None:
    world.append("u", "u0")
    world.append("u", "u1", answers=[{"status": 503, "retry_after": "3000"}, 200])
    world.append("u", "u2")
    world.append("mate", "m0")
    with forwarding([world.destination]):
        assert eventually(lambda: world.balance()["waiting"] == 1)
        first = len(world.sink.arrivals)
        replay = start(world)
        assert eventually(lambda: sorted(world.sink.ids()[first:]) == ["m0", "u0"])
        assert eventually(lambda: numbers(replay, "waiting") == [2])
        assert not is_finished(replay)
        Delivery.objects.filter(message_id="u1", replay=0).update(next_attempt_at="2020-01-01T00:00:00Z")
        assert eventually(lambda: is_finished(replay))
    arrived = [name for name in world.sink.ids()[first:] if name not in ("m0", "u0")]
    assert arrived.index("u1") < arrived.index("u2")
    assert sorted(arrived) == ["u1", "u1", "u2", "u2"]
    live = arrived.index("u2")
    assert arrived[:live].count("u1") >= 1
    assert world.balance()["difference"] == 0


def test_a_row_of_a_replay_that_is_due_takes_none_behind_a_live_one_with_it(world: World) -> None:
    world.append("u", "u0", answers=[200, {"status": 503, "retry_after": "1"}, 200])
    world.append("u", "u1", answers=[{"status": 503, "retry_after": "3000"}, 200])
    world.append("u", "u2")
    with forwarding([world.destination], threads=2):
        assert eventually(lambda: world.balance()["waiting"] == 1)
        replay = start(world)
        assert eventually(lambda: numbers(replay, "delivered", "waiting") == [1, 2])
        assert world.sink.ids().count("u0") == 3
        assert "u2" not in world.sink.ids()
        Delivery.objects.filter(message_id="u1", replay=0).update(next_attempt_at="2020-01-01T00:00:00Z")
        assert eventually(lambda: is_finished(replay))
    assert in_order(world, list(dict.fromkeys(world.sink.ids())))
    assert world.balance()["difference"] == 0


def test_what_is_pending_live_is_no_part_of_a_replay(world: World) -> None:
    world.append("u", "u0")
    deliver(world)
    actions.pause([world.destination.pk], "ada")
    world.append("u", "u1")
    replay = start(world)
    assert numbers(replay, "total") == [1]
    actions.resume([world.destination.pk], "ada")
    run(world, replay)
    assert sorted(world.sink.ids()) == ["u0", "u0", "u1"]


def test_a_skip_passes_over_no_replay(world: World) -> None:
    world.many(users=3, each=3)
    deliver(world)
    actions.pause([world.destination.pk], "ada")
    replay = start(world)
    actions.resume([world.destination.pk], "ada", skip=True)
    run(world, replay)
    assert numbers(replay, "delivered", "skipped") == [9, 0]


def test_skipped_events_can_be_replayed(world: World) -> None:
    actions.pause([world.destination.pk], "ada")
    world.many(users=3, each=3)
    actions.resume([world.destination.pk], "ada", skip=True)
    deliver(world)
    run(world, start(world))
    assert len(world.sink.ids()) == 9
    assert in_order(world, world.sink.ids())
    assert world.balance()["skipped"] == 9


def test_a_replay_opens_no_way_around_the_destinations_filter(world: World) -> None:
    world.append("u", "wanted")
    world.append("u", "noise", event="Noise")
    deliver(world)
    world.change(event_filter={"deny": ["Noise"]})
    replay = start(world)
    run(world, replay)
    assert world.sink.ids()[2:] == ["wanted"]
    assert numbers(replay, "delivered", "filtered") == [1, 1]


def test_what_a_connection_missed_while_it_was_off_can_be_replayed(world: World) -> None:
    world.connection.enabled = False
    world.connection.save()
    world.append("u", "missed")
    world.connection.enabled = True
    world.connection.save()
    deliver(world)
    assert world.balance()["filtered"] == 1
    run(world, start(world))
    assert world.sink.ids() == ["missed"]


def test_a_replay_alone_closes_an_open_breaker(world: World) -> None:
    world.many(users=3, each=2)
    deliver(world)
    Health.objects.update(breaker="open", probe_at="2020-01-01T00:00:00Z")
    replay = start(world)
    run(world, replay)
    assert world.health().breaker == "closed"
    assert numbers(replay, "delivered") == [6]
