"""`manage.py status`: the numbers against a count of everything by hand."""

import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts import modes
from alerts.models import Mode, Process
from destinations import tallies
from destinations.models import Checkpoint, Claim, Delivery, Destination, Health, Lane
from destinations.models import Connection as Link
from ingest import tally
from ingest.models import Event, Source
from tests.recovery.crashes import came_back

Write = Any


def status() -> dict[str, Any]:
    out = io.StringIO()
    call_command("status", "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def counts(source: str = "web", destination: str = "hook") -> dict[str, int]:
    (found,) = [
        {key: value for key, value in row.items() if isinstance(value, int) and value}
        for row in status()["connections"]
        if (row["source"], row["destination"]) == (source, destination)
    ]
    return found


def test_what_was_accepted_before_the_connection_is_not_its_own(raw: Connection, source: Source, write: Write) -> None:
    write(source, [1, 2])
    tally.roll_up_all(raw)
    write(source, [3])
    hook = Destination.objects.create(name="hook", type="webhook")
    Link.objects.create(source=source, destination=hook)
    assert counts() == {}
    write(source, [3])
    assert counts() == {"accepted": 1, "pending": 1}


def test_events_that_are_not_settled_yet_count_on_both_sides(raw: Connection, link: Link, write: Write) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_current_xact_id()")  # holds the horizon
        write(link.source, [1, 1])
        cursor.execute("COMMIT")
    assert counts() == {"accepted": 2, "pending": 2}


def test_the_last_checkpoint_of_a_claim_replaces_the_row_of_its_lanes_only(link: Link, write: Write) -> None:
    write(link.source, [1, 1, 1, 2])
    first, second, third = Event.objects.filter(lane=1).order_by("xid", "position")
    mine, other = Lane.objects.get(number=1), Lane.objects.get(number=2)
    claim = Claim.objects.create(destination=link.destination, slot=0, owner="x", expires_at=timezone.now())
    Lane.objects.filter(pk=mine.pk).update(claim_id=claim.pk, delivered=0)

    def checkpoint(seq: int, lane: Lane, event: Event, delivered: int, beyond: list[Event]) -> None:
        progress = {"c": [event.xid, event.position, str(event.day)], "d": delivered, "a": 0, "s": 0, "f": {}}
        Checkpoint.objects.create(
            claim_id=claim.pk, seq=seq, lanes={str(lane.pk): progress | {"b": [[e.xid, e.position] for e in beyond]}}
        )

    checkpoint(0, mine, first, 1, [])
    assert counts() == {"accepted": 4, "delivered": 1, "pending": 3}
    checkpoint(1, mine, first, 2, [third])
    assert counts() == {"accepted": 4, "delivered": 2, "pending": 2}
    checkpoint(2, other, second, 9, [])  # a lane that this claim does not hold
    assert counts() == {"accepted": 4, "pending": 4}


def test_every_fate_is_counted_where_it_is_kept(link: Link, write: Write) -> None:
    write(link.source, [1] * 12)
    events = list(Event.objects.order_by("xid", "position"))
    last = events[9]
    Lane.objects.filter(number=1).update(
        xid=last.xid, position=last.position, delivered=1, aborted=2, skipped=1, filtered={"integrations": 2, "off": 1}
    )
    for event, state in zip(
        events, [Delivery.State.FAILED, *[Delivery.State.WAITING] * 2, Delivery.State.ABORTED], strict=False
    ):
        Delivery.objects.create(
            connection=link,
            lane=1,
            user_key="u1",
            xid=event.xid,
            position=event.position,
            day=event.day,
            message_id=event.message_id,
            state=state,
            next_attempt_at=timezone.now() if state == Delivery.State.FAILED else None,
        )
    assert counts() == {
        "accepted": 12,
        "delivered": 1,
        "aborted": 2,
        "skipped": 1,
        "filtered": 3,
        "failed": 1,
        "waiting": 2,
        "pending": 2,
    }
    Lane.objects.filter(number=1).update(delivered=0)
    assert counts()["difference"] == 1


def by_hand(link: Link) -> int:
    """The events beyond each cursor that are not listed as settled."""
    pending = 0
    for lane in Lane.objects.filter(connection=link):
        settled = {tuple(place) for place in lane.beyond}
        for place in Event.objects.filter(source_id=link.source_id, lane=lane.number).values_list("xid", "position"):
            pending += place > (lane.xid, lane.position) and place not in settled
    return pending


def hooks(number: int) -> list[Destination]:
    return [Destination.objects.create(name=f"hook{i}", type="webhook") for i in range(number)]


def scatter(chance: random.Random, link: Link, lanes: list[int]) -> None:
    """Put the cursors of a connection somewhere in the log, with some events settled beyond them."""
    for number in lanes:
        places = list(
            Event.objects.filter(lane=number).order_by("xid", "position").values_list("xid", "position", "day")
        )
        cut = chance.randrange(len(places))
        xid, position, day = places[cut]
        rest = [[place[0], place[1]] for place in places[cut + 2 :] if chance.random() < 0.3]
        Lane.objects.filter(connection=link, number=number).update(xid=xid, position=position, day=day, beyond=rest)


@pytest.mark.parametrize("seed", range(6))
def test_pending_is_the_same_as_counted_by_hand_wherever_cursors_and_milestones_are(
    raw: Connection, link: Link, write: Write, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(tally, "STEP_EVENTS", 4)
    monkeypatch.setattr(tally, "MILESTONE_EVENTS", 8)
    chance = random.Random(seed)
    lanes = [0, 1, 63]
    for _ in range(30):
        write(link.source, chance.choices(lanes, k=chance.randint(1, 5)))
        if chance.random() < 0.3:
            tally.roll_up_all(raw)
    links = [link, *(Link.objects.create(source=link.source, destination=hook) for hook in hooks(3))]
    Lane.objects.update(xid=0)  # as if they had all been there from the start
    Link.objects.update(accepted_before=0)
    for other in links[:3]:
        scatter(chance, other, lanes)
    for lane in Lane.objects.filter(connection=links[0]):  # at one place with another, but with nothing beyond
        Lane.objects.filter(connection=links[3], number=lane.number).update(xid=lane.xid, position=lane.position)
    monkeypatch.setattr(tallies, "roll_up", lambda _asked_by: None)
    for _ in range(2):  # with a tail, and without
        for other in links:
            found = counts(destination=other.destination.name)
            assert found.get("pending", 0) == by_hand(other)
            assert found["accepted"] == Event.objects.count()
        tally.roll_up_all(raw)


def test_the_age_is_that_of_the_oldest_event_that_is_still_owed(raw: Connection, link: Link, write: Write) -> None:
    assert status()["destinations"][0]["oldest_age_seconds"] == 0.0
    for seconds in (500, 400, 300):
        write(link.source, [1])
        with raw.cursor() as cursor:
            cursor.execute(
                "UPDATE ingest_event SET received_at = now() - make_interval(secs => %s)"
                " WHERE received_at > now() - interval '1 minute'",
                [seconds],
            )
    first, second, _ = Event.objects.order_by("xid", "position")

    def age() -> float:
        return float(status()["destinations"][0]["oldest_age_seconds"])

    assert 500 <= age() < 560
    Lane.objects.filter(number=1).update(beyond=[[first.xid, first.position]])
    assert 400 <= age() < 460
    Lane.objects.filter(number=1).update(xid=second.xid, position=second.position, beyond=[])
    assert 300 <= age() < 360
    held = {"xid": first.xid, "position": first.position, "day": first.day, "message_id": first.message_id}
    Delivery.objects.create(
        connection=link, lane=1, user_key="u1", state="failed", next_attempt_at=timezone.now(), **held
    )
    assert 500 <= age() < 560


def test_restarts_are_those_that_count_and_of_forwarding_the_most(link: Link) -> None:
    now = timezone.now()
    Mode.objects.update(since=now - timedelta(hours=1))
    for role, node in (("forward", "f-1"), ("web", "w-1")):
        Process.objects.create(role=role, node=node, pid=7, started_at=now, last_seen_at=now)
    came_back(2, node="f-1")
    came_back(1, node="f-2")
    came_back(4, node="w-1", role="web")
    came_back(3, node="f-1", explained="event m-1")
    found = status()
    assert json.dumps(found["recovery"]) == '{"restarts": 2, "threshold": 5, "window_seconds": 300}'
    assert [(row["node"], row["restarts"]) for row in found["processes"]] == [("f-1", 2), ("w-1", 4)]


def test_the_object_has_the_documented_fields(link: Link) -> None:
    modes.set_mode("degraded", "test", "ada")
    Health.objects.update(breaker="open", probe_at=timezone.now(), last_error="refused", state="held")
    now = timezone.now()
    Process.objects.create(role="forward", node="h-forward-0", pid=7, started_at=now, last_seen_at=now)
    Process.objects.create(role="web", node="h-web-0", pid=8, started_at=now, last_seen_at=now - timedelta(seconds=61))
    found = status()
    assert found["mode"].pop("since") == modes.current().since.astimezone(UTC).isoformat(
        timespec="milliseconds"
    ).replace("+00:00", "Z")
    for process in found["processes"]:
        assert datetime.fromisoformat(process.pop("started_at")) <= datetime.fromisoformat(process.pop("last_seen_at"))
    assert found == {
        "mode": {"mode": "degraded", "reason": "test", "actor": "ada", "forced": False},
        "recovery": {"restarts": 0, "threshold": 5, "window_seconds": 300},
        "processes": [{"role": "forward", "node": "h-forward-0", "pid": 7, "restarts": 0}],
        "destinations": [
            {
                "name": "hook",
                "type": "webhook",
                "enabled": True,
                "state": "held",
                "pending": 0,
                "oldest_age_seconds": 0.0,
                "failed": 0,
                "waiting": 0,
                "aborted": 0,
                "breaker": "open",
                "last_error": "refused",
            }
        ],
        "connections": [
            {
                "source": "web",
                "destination": "hook",
                "accepted": 0,
                "delivered": 0,
                "pending": 0,
                "failed": 0,
                "waiting": 0,
                "aborted": 0,
                "filtered": 0,
                "skipped": 0,
                "difference": 0,
            }
        ],
        "incidents": [],
        "retention": {"days": 30, "policy": "keep", "needed": []},
    }


def test_people_get_a_table(link: Link, write: Write) -> None:
    write(link.source, [1])
    out = io.StringIO()
    call_command("status", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("mode: normal since 20")
    assert lines[-1].split() == ["web", "hook", "1", "0", "1", "0", "0", "0", "0", "0", "0"]


@pytest.fixture
def slow_count(monkeypatch: pytest.MonkeyPatch, write: Write, link: Link) -> None:
    """Have events arrive between the queries of one snapshot."""
    rows = tallies._rows

    def interrupted(query: str) -> Iterator[tuple[Any, ...]]:
        write(link.source, [3, 4])
        return rows(query)

    monkeypatch.setattr(tallies, "_rows", interrupted)


@pytest.mark.usefixtures("slow_count")
def test_events_that_arrive_while_it_counts_make_no_difference() -> None:
    for _ in range(3):
        found = counts()
        assert found.get("accepted") == found.get("pending")
