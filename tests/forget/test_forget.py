"""Forgetting a person: nothing readable is left anywhere, nobody else loses anything, and the equation holds."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812
from structlog.testing import capture_logs

from destinations.forget import deliveries, events, others
from destinations.forget.deliveries import LaneBusy
from destinations.forget.person import pseudonym
from destinations.forget.run import forget
from destinations.inbox.models import InboxDelivery
from destinations.models import Attempt, Delivery, Forgetting, Health, Lane, Replay
from ingest import log, partitions
from ingest.hashing import lane_of
from ingest.models import Event, RejectedEvent, Source
from tests.forget.conftest import Store, mentions
from tests.forwarding.workers import eventually, forwarding, run_once
from tests.forwarding.world import World
from tests.retention.log import counts, deliver_all
from tests.suspects.crashes import crash, entry

ADA, DEVICE, BOB = "ada@example.org", "device-4711", "bob@example.org"


def dead_letter(world: World, number: int, payload: dict[str, Any], **values: Any) -> Delivery:
    """A dead letter whose event the log no longer has."""
    key = str(payload.get("anonymousId") or payload.get("userId"))
    day = timezone.now().date() - timedelta(days=60)
    place = {"xid": 3, "position": number}
    Attempt.objects.create(
        connection=world.connection, message_id="x", at=timezone.now(), outcome="aborted", duration_ms=1,
        error="", response=json.dumps(payload), status=400, **place,
    )  # fmt: skip
    return Delivery.objects.create(
        connection=world.connection,
        lane=lane_of(key),
        user_key=key,
        day=day,
        message_id=f"dead-{number}",
        state="aborted",
        reason=f"400: unknown user {payload.get('userId')}",
        payload=json.dumps(payload, separators=(",", ":")),
        request={"url": f"https://h.test/{key}"},
        response={"body": json.dumps(payload)},
        **place,
        **values,
    )


def scatter(world: World, store: Store) -> list[str]:
    """Ada's traces everywhere, and Bob's beside them; the message ids of her events in the log."""
    hers = [
        store(9, anonymousId=DEVICE),
        store(8, anonymousId=DEVICE, userId=ADA),
        store(7, userId=ADA, type="identify", traits={"email": ADA}),
        store(3, anonymousId=DEVICE),
        store(0, anonymousId=ADA),
        store(0, anonymousId="device-2", userId=ADA),
    ]
    store(8, anonymousId=DEVICE, userId=BOB)
    store(0, userId=BOB)
    for number, payload in enumerate(
        [
            {"type": "track", "userId": ADA, "anonymousId": "device-3"},
            {"type": "track", "anonymousId": "device-3"},
            {"type": "track", "userId": BOB},
        ]
    ):
        dead_letter(world, number, payload)
        text = json.dumps(payload)
        RejectedEvent.objects.create(
            source=world.source, received_at=timezone.now(), reason="no", payload=text.replace("track", "unheard-of")
        )
        InboxDelivery.objects.create(destination="inbox", headers={}, body=text)
    RejectedEvent.objects.create(source=world.source, received_at=timezone.now(), reason="no", payload=f'["{ADA}"]')
    Health.objects.update(last_error=f"400: {ADA}", streak={"users": [DEVICE, "x"], "refused": [], "unreachable": 0})
    Replay.objects.create(
        destination=world.destination, origin="log", user_key=DEVICE, total=0, total_is_exact=True, counts={}
    )
    crash(entry(world, hers[-2]))
    return hers


EXPECTED = {
    "devices": 3,
    "events": 6,
    "deliveries": 2,
    "given_up": 0,
    "attempts": 2,
    "rejected_events": 3,
    "inbox_deliveries": 2,
    "destinations": 1,
    "replays": 1,
    "suspects": 1,
}


def test_nothing_readable_is_left_in_any_table(world: World, store: Store) -> None:
    scatter(world, store)
    assert set(mentions(ADA)) == {
        "ingest_event",
        "ingest_rejectedevent",
        "destinations_delivery",
        "destinations_attempt",
        "destinations_health",
        "destinations_suspect",
        "inbox_inboxdelivery",
    }
    with capture_logs() as logs:
        report = forget(ADA, actor="eve")
    assert report.counts == EXPECTED
    for text in (ADA, "device-2", "device-3"):
        assert mentions(text) == {}
    assert mentions(DEVICE) == {"ingest_event": 1}, "Bob's, on the same device"
    assert mentions(BOB) == {
        "ingest_event": 2,
        "ingest_rejectedevent": 1,
        "destinations_delivery": 1,
        "destinations_attempt": 1,
        "inbox_inboxdelivery": 1,
    }
    (line,) = [line for line in logs if line["event"] == "person.forgotten"]
    assert {name: line[name] for name in EXPECTED} == EXPECTED
    assert ADA not in str(logs)


def test_the_act_is_recorded_without_the_id(world: World, store: Store) -> None:
    scatter(world, store)
    forget(ADA, actor="eve", source=world.source)
    record = Forgetting.objects.get()
    assert (record.person, record.actor, record.source) == (pseudonym(ADA), "eve", world.source.name)
    assert record.counts == EXPECTED
    assert record.ended_at is not None
    assert record.started_at < record.ended_at


def test_a_dry_run_says_the_same_and_changes_nothing(world: World, store: Store) -> None:
    scatter(world, store)
    before = {text: mentions(text) for text in (ADA, DEVICE, "device-2", "device-3")}
    assert forget(ADA, actor="eve", dry_run=True).counts == EXPECTED
    assert {text: mentions(text) for text in before} == before
    assert not Forgetting.objects.exists()


def test_events_keep_their_places_and_copies_are_still_known(world: World, store: Store) -> None:
    hers = scatter(world, store)
    columns = ("day", "source_id", "message_id", "lane", "xid", "position", "received_at")
    before = list(Event.objects.order_by("xid").values_list(*columns))
    forget(ADA, actor="eve")
    assert list(Event.objects.order_by("xid").values_list(*columns)) == before
    left = Event.objects.get(message_id=hers[2])
    assert json.loads(left.payload) == {"type": "forgotten", "messageId": hers[2], "was": "identify"}
    assert left.user_key == pseudonym(ADA)
    assert log.append([world.event(ADA, hers[-1])]) == 0


def test_a_second_time_there_is_nothing_left(world: World, store: Store) -> None:
    scatter(world, store)
    forget(ADA, actor="eve")
    assert sum(forget(ADA, actor="eve").counts.values()) == 0


def test_only_what_came_from_one_source_if_asked(world: World, store: Store) -> None:
    other = Source.objects.create(name="app", write_key="k2")
    store(3, userId=ADA)
    store(3, source=other, userId=ADA)
    for source in (world.source, other):
        RejectedEvent.objects.create(
            source=source, received_at=timezone.now(), reason="no", payload=json.dumps({"userId": ADA})
        )
    report = forget(ADA, actor="eve", source=other)
    assert (report.events, report.rejected_events) == (1, 1)
    assert mentions(ADA) == {"ingest_event": 1, "ingest_rejectedevent": 1}
    assert Event.objects.get(source_id=world.source.pk).user_key == ADA


@pytest.mark.parametrize("user", ['quo"te', "back\\slash", "ümläut", "50%", "%s", "{table}", "'; --", "🙂"])
def test_any_id_will_do(world: World, store: Store, user: str) -> None:
    store(2, userId=user)
    store(1, anonymousId="d", userId=user)
    store(1, userId="other")
    RejectedEvent.objects.create(
        source=world.source, received_at=timezone.now(), reason="no", payload=orjson.dumps({"userId": user}).decode()
    )
    report = forget(user, actor="eve")
    assert (report.events, report.rejected_events) == (2, 1)
    assert Event.objects.filter(user_key__startswith="forgotten:").count() == 2


def test_an_empty_id_is_nobodys(world: World) -> None:
    with pytest.raises(ValueError, match="nobody"):
        forget(" ", actor="eve")


def test_the_log_is_read_in_small_pieces(
    raw: Connection, world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PAGES", 1)
    monkeypatch.setattr(events, "BATCH_EVENTS", 3)
    monkeypatch.setattr(deliveries, "IDS", 2)
    filler = "x" * 900
    for _ in range(40):
        store(2, userId=ADA, properties={"filler": filler})
        store(2, userId=BOB, properties={"filler": filler})
    (table,) = [table.name for table in partitions.attached(raw) if table.bytes > 80_000]
    with raw.cursor() as cursor:
        cursor.execute(f"EXPLAIN SELECT FROM {table} WHERE ctid >= '(1,0)' AND ctid < '(2,0)'")
        assert "Tid Range Scan" in str(cursor.fetchall())
    assert forget(ADA, actor="eve").events == 40
    assert mentions(ADA) == {}
    assert mentions(BOB) == {"ingest_event": 40}


def test_what_was_not_delivered_yet_is_not_sent_any_more(world: World) -> None:
    world.append("ada", "a1", "a2")
    world.append("bob", "b1")
    forget("ada", actor="eve")
    with forwarding([world.destination]):
        assert eventually(lambda: counts(world.connection).get("pending", 0) == 0)
    assert [arrival.message_id for arrival in world.sink.arrivals] == ["b1"]
    assert counts(world.connection) == {"accepted": 3, "delivered": 1, "filtered": 2}
    assert Lane.objects.get(number=lane_of("ada"), replay=0).filtered == {"forgotten": 2}


def test_what_failed_or_waits_is_given_up_and_counted(world: World) -> None:
    world.append("ada", "a1", answers=[503])
    world.append("ada", "a2", "a3")
    world.append("bob", "b1")
    run_once(world.destination)
    assert {row.message_id: row.state for row in world.rows()} == {"a1": "failed", "a2": "waiting", "a3": "waiting"}
    Attempt.objects.update(error="ada?", response="no ada")
    foretold = forget("ada", actor="eve", dry_run=True)
    report = forget("ada", actor="eve")
    assert report.counts == foretold.counts
    assert (report.events, report.deliveries, report.given_up) == (3, 3, 3)
    assert report.attempts == Attempt.objects.count() > 0
    assert counts(world.connection) == {"accepted": 4, "delivered": 1, "skipped": 3}
    for row in world.rows():
        assert (row.state, row.reason, row.payload) == ("skipped", "forgotten", None)
        assert row.user_key == pseudonym("ada")
    assert set(Attempt.objects.values_list("error", "response")) == {("", "")}
    world.append("ada", "a4")
    with forwarding([world.destination]):
        assert eventually(lambda: counts(world.connection).get("delivered") == 2)
    assert {arrival.message_id for arrival in world.sink.arrivals} == {"a1", "b1", "a4"}


def test_a_row_that_is_a_tombstone_is_never_sent(world: World, raw: Connection) -> None:
    world.append("ada", "a1", answers=[503])
    run_once(world.destination)
    (event,) = Event.objects.all()
    logged = events.Logged(
        f"ingest_event_{event.day:%Y%m%d}", event.source_id, "a1", event.lane, event.xid, event.position, "ada", "track"
    )
    assert events.erase(raw, [logged]) == 1
    before = len(world.sink.arrivals)
    Delivery.objects.update(next_attempt_at=timezone.now())
    with forwarding([world.destination]):
        assert eventually(lambda: counts(world.connection).get("aborted") == 1)
    assert len(world.sink.arrivals) == before
    assert Delivery.objects.get().reason == "forgotten"


def test_while_links_are_at_work_nothing_comes_back_and_every_event_is_counted_once(world: World) -> None:
    users = ["ada", *(f"u{number}" for number in range(8))]
    for number in range(40):
        for user in users:
            answers = [503] if user == "ada" and number % 3 == 0 else []
            world.append(user, f"{number}-{user[0]}{user[1:]}", answers=answers)
    with forwarding([world.destination], threads=2):
        assert eventually(lambda: len(world.sink.arrivals) > 30)
        forget("ada", actor="eve")
        assert mentions('"ada"') == {}
        assert not Delivery.objects.filter(user_key="ada").exists()
        assert eventually(lambda: _is_settled(counts(world.connection)))
    assert not Delivery.objects.filter(user_key="ada").exists(), "nor did a link write it again"
    assert counts(world.connection).get("difference", 0) == 0
    others = {user: ids for user, ids in world.accepted.items() if user != "ada"}
    arrived = {arrival.message_id for arrival in world.sink.arrivals}
    assert {message_id for ids in others.values() for message_id in ids} <= arrived


def test_what_a_link_remembers_is_not_written_after_it_was_forgotten(world: World) -> None:
    world.append("ada", "a1", answers=[{"status": 400, "delay_seconds": 3.0, "body": "who is ada?"}])
    with forwarding([world.destination]):
        assert eventually(lambda: len(world.sink.arrivals) == 1)
        forget("ada", actor="eve")
        assert eventually(lambda: _is_settled(counts(world.connection)))
    assert counts(world.connection) == {"accepted": 1, "filtered": 1}
    assert mentions('"ada"') == mentions("who is ada") == {}
    assert len(world.sink.arrivals) == 1


def _is_settled(found: dict[str, int]) -> bool:
    assert "difference" not in found, found
    return not {"pending", "failed", "waiting"} & set(found)


def test_a_destination_that_gives_no_lane_away_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.append("ada", "a1", answers=[503])
    run_once(world.destination)
    Lane.objects.update(claim_id=77)
    monkeypatch.setattr("destinations.lanes.revoke", lambda *_: None)
    with pytest.raises(LaneBusy):
        forget("ada", actor="eve")
    assert Forgetting.objects.get().ended_at is None
    Lane.objects.update(claim_id=None)
    forget("ada", actor="eve")
    assert mentions('"ada"') == {}
    assert counts(world.connection) == {"accepted": 1, "skipped": 1}


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "steps", [pytest.param(steps, marks=[] if steps in {0, 8, 9} else pytest.mark.slow) for steps in range(14)]
)
def test_whoever_is_killed_in_the_middle_finds_what_is_left(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    scatter(world, store)
    deliver_all(world.connection)
    before = counts(world.connection)
    left = [steps]

    def counting(name: str, module: Any) -> Callable[..., Any]:
        original = getattr(module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if options.get("erase", True) and left[0] == 0:
                raise Killed
            left[0] -= options.get("erase", True)
            return original(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(events, "BATCH_EVENTS", 1)
        patched.setattr(deliveries, "BATCH_ROWS", 1)
        patched.setattr(events, "erase", counting("erase", events))
        patched.setattr(deliveries, "attempts", counting("attempts", deliveries))
        patched.setattr(others, "erase_rejected", counting("erase_rejected", others))
        patched.setattr(others, "erase_inbox", counting("erase_inbox", others))
        with pytest.raises(Killed):
            forget(ADA, actor="eve")
    forget(ADA, actor="eve")
    for text in (ADA, "device-2", "device-3"):
        assert mentions(text) == {}
    assert mentions(DEVICE) == {"ingest_event": 1}
    assert counts(world.connection) == before


def test_a_day_that_is_dropped_meanwhile_does_not_stop_it(
    raw: Connection, world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(9, userId=ADA)
    store(8, userId=ADA)
    known = partitions.attached(raw)
    world.connection.delete()
    partitions.drop(raw, known[0])
    told: list[str] = []
    monkeypatch.setattr(partitions, "attached", lambda _: known)
    assert forget(ADA, actor="eve", tell=told.append).events == 1
    assert f"{known[0].day} was dropped meanwhile" in told
