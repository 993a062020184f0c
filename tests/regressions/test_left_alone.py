"""`Retry-After` counts for a whole destination too, and hanging retries do not keep other due ones waiting."""

from datetime import timedelta

from django.utils import timezone

from destinations.breaker import probe_delay_seconds
from destinations.models import Delivery
from destinations.oracle.script import Reply
from destinations.reader import DUE_USERS
from tests.forwarding.test_breaker import probe
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World


def test_a_breaker_that_opens_leaves_the_destination_alone_for_as_long_as_it_asked(world: World) -> None:
    world.many(users=5, each=1)
    world.sink.everyone = Reply(429, retry_after="600")

    run_once(world.destination)

    health = world.health()
    assert health.breaker == "open"
    assert health.probe_at is not None
    assert health.probe_at > timezone.now() + timedelta(seconds=500)


def test_a_probe_that_fails_leaves_it_alone_for_as_long_as_it_asked(world: World) -> None:
    world.many(users=5, each=1)
    world.sink.everyone = Reply(503)
    run_once(world.destination)
    world.sink.everyone = Reply(503, retry_after="600")

    probe(world)

    health = world.health()
    assert health.breaker == "open"
    assert health.probe_at is not None
    assert health.probe_at > timezone.now() + timedelta(seconds=500)


def test_one_user_who_is_put_off_does_not_put_off_a_whole_destination(world: World) -> None:
    world.append("limited", "l", answers=[{"status": 429, "retry_after": "600"}])
    world.many(users=5, each=1)
    for user in range(5):
        world.sink.script(f"u{user}-0", [503])

    run_once(world.destination)

    health = world.health()
    assert health.breaker == "open"
    assert health.probe_at is not None
    assert health.probe_at < timezone.now() + timedelta(seconds=60)


def test_nothing_is_left_alone_for_more_than_an_hour() -> None:
    assert probe_delay_seconds(0, 1e9) == 3600.0


def test_a_due_retry_is_sent_while_more_retries_hang_than_are_read_at_once(world: World) -> None:
    later = {"status": 500, "retry_after": "600"}
    for number in range(DUE_USERS + 6):
        world.append(f"u{number}", f"h{number}", answers=[later, "hang"])
        world.append(f"well{number}", f"w{number}")  # a success between: it is the users who fail
    world.append("last", "l", answers=[later, 200])
    world.change(max_concurrency=1)
    with forwarding([world.destination]):
        assert eventually(lambda: not world.balance()["pending"])
    world.change(max_concurrency=None)
    now = timezone.now()
    Delivery.objects.filter(state="failed").update(next_attempt_at=now - timedelta(seconds=60))
    Delivery.objects.filter(message_id="l").update(next_attempt_at=now)

    with forwarding([world.destination], chosen=limits(timeout_seconds=30.0, budget_seconds=5.0, concurrency=100)):
        assert world.sink.wait_for(lambda sink: len(sink.of("l")) == 2 and sink.in_flight == DUE_USERS + 6)
        world.sink.refuse_connections()
