"""The four head-of-line shapes that every ordered queue got wrong somewhere."""

from django.db import connection

from ingest import log
from ingest.hashing import lane_of
from tests.forwarding.workers import eventually, forwarding
from tests.forwarding.world import World, make_world

FAR_OFF = [{"status": 503, "retry_after": "3000"}, 200]


def mates_of(user: str, wanted: int) -> list[str]:
    """Other users of the same lane."""
    found = [name for name in map("mate{}".format, range(10_000)) if lane_of(name) == lane_of(user)]
    return found[:wanted]


def test_a_retry_scheduled_far_off_does_not_stall_its_lane(world: World) -> None:
    world.append("put-off", "p0", answers=FAR_OFF)
    for turn in range(3):
        for mate in mates_of("put-off", 5):
            world.append(mate, f"{mate}-{turn}")

    with forwarding([world.destination]):
        assert eventually(lambda: world.balance()["delivered"] == 15)

    assert [row.state for row in world.rows()] == ["failed"]
    assert world.report().lost == ["p0"]


def test_one_blocked_user_with_much_to_send_does_not_starve_the_others(world: World) -> None:
    world.append("blocked", "b0", answers=FAR_OFF)
    world.append("blocked", *(f"b{number}" for number in range(1, 900)))
    with forwarding([world.destination]):
        for turn in range(3):
            for mate in [*mates_of("blocked", 3), *(f"apart{number}" for number in range(10))]:
                world.append(mate, f"{mate}-{turn}")
        assert eventually(lambda: world.balance()["delivered"] == 39)

    terms = world.balance()
    assert (terms["failed"], terms["waiting"], terms["difference"]) == (1, 899, 0)


def test_thousands_of_blocked_users_at_the_head_do_not_stand_in_the_way(world: World) -> None:
    blocked = [f"blocked{number}" for number in range(3000)]
    for user in blocked:
        world.accepted[user] += [f"{user}-0", f"{user}-1"]
    log.append([world.event(user, f"{user}-0", FAR_OFF) for user in blocked])
    fail_everything(world)
    log.append([world.event(user, f"{user}-1") for user in blocked])

    with forwarding([world.destination], threads=2):
        for number in range(20):
            world.append(f"new{number}", f"new{number}-0")
        assert eventually(lambda: {f"new{number}-0" for number in range(20)} <= set(world.sink.ids()))
        assert eventually(lambda: world.balance()["pending"] == 0)
    terms = world.balance()
    assert (terms["failed"], terms["waiting"], terms["delivered"], terms["difference"]) == (3000, 3000, 20, 0)


def fail_everything(world: World) -> None:
    """As if every event so far had been tried once, to be tried again much later."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO destinations_delivery (connection_id, lane, user_key, xid, position, day, message_id, state,"
            " reason, attempts, first_failed_at, next_attempt_at, created_at, updated_at)"
            " SELECT %s, lane, user_key, xid, position, day, message_id, 'failed', '', 1, now(),"
            " now() + interval '1 hour', now(), now() FROM ingest_event",
            [world.connection.pk],
        )
        cursor.execute(
            "UPDATE destinations_lane l SET (xid, position) = (SELECT xid, position FROM ingest_event e"
            " WHERE e.lane = l.number ORDER BY xid DESC, position DESC LIMIT 1)"
            " WHERE number IN (SELECT lane FROM ingest_event)"
        )


def test_a_dead_destination_does_not_slow_another_of_its_type(world: World) -> None:
    dead = make_world(world.sink, "dead", source=world.source, config={"webhookUrl": "http://127.0.0.1:9/"})
    world.many(users=50, each=10)

    with forwarding([dead.destination, world.destination]):
        assert eventually(world.is_settled)
        world.many(users=50, each=2, prefix="later")
        assert eventually(world.is_settled)

    assert dead.health().breaker != "closed"
    assert dead.balance()["delivered"] == 0
    assert dead.balance()["difference"] == 0
    assert world.report().is_clean
