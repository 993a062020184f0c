"""What is kept for a while only goes in small batches by an index, and nothing else goes."""

from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts.models import ModeChange, Process
from destinations.models import Attempt, Delivery, Replay, ReplayAction, Trial
from destinations.models import Connection as Link
from ingest.models import MidnightKey, RejectedEvent, Source
from rudderproj import db, pruning, upkeep
from rudderproj.pruning import Pruning

DAY = 86400.0


def rejected(source: Source, *ages: float) -> None:
    """A rejected event of each age, in days."""
    for number, age in enumerate(ages):
        RejectedEvent.objects.create(
            source=source,
            received_at=timezone.now() - timedelta(days=age),
            message_id=f"{number}",
            reason="",
            payload="",
        )


def delivery(link: Link, number: int, state: str, age: float) -> None:
    """A row last changed so many days ago."""
    made = Delivery.objects.create(
        connection=link,
        lane=0,
        user_key="u",
        xid=number,
        position=0,
        day=timezone.now().date(),
        message_id=f"{state} {age}",
        state=state,
        next_attempt_at=timezone.now() if state == "failed" else None,
    )
    Delivery.objects.filter(pk=made.pk).update(updated_at=timezone.now() - timedelta(days=age))


def test_each_kind_of_row_goes_at_its_own_age(source: Source, link: Link) -> None:
    rejected(source, 29, 31)
    ages = [("delivered", 29), ("delivered", 31), ("skipped", 29), ("skipped", 31), ("aborted", 89), ("aborted", 91)]
    for number, (state, age) in enumerate([*ages, ("failed", 400), ("waiting", 400)]):
        delivery(link, number, state, age)
    for age in (29, 31):
        at = timezone.now() - timedelta(days=age)
        Attempt.objects.create(
            connection=link, xid=1, position=0, message_id=f"{age}", at=at, outcome="failed", duration_ms=1
        )
    for hours in (0.5, 1.5):
        MidnightKey.objects.create(
            source_id=1, message_id=f"{hours}", created_at=timezone.now() - timedelta(hours=hours)
        )
        seen = timezone.now() - timedelta(hours=16 * hours)
        Process.objects.create(role="web", node=f"{hours}", pid=1, started_at=seen, last_seen_at=seen)
    for age in (364, 366):
        ModeChange.objects.create(
            at=timezone.now() - timedelta(days=age), from_mode="normal", to_mode="degraded", reason=f"{age}"
        )

    done = upkeep.run(due_only=False)

    assert done is not None
    assert {name: count for name, count in done.items() if count and name.endswith("pruned")} == {
        "rejected_events_pruned": 1,
        "finished_deliveries_pruned": 2,
        "dead_letters_pruned": 1,
        "attempts_pruned": 1,
        "midnight_keys_pruned": 1,
        "processes_pruned": 1,
        "mode_changes_pruned": 1,
    }
    assert list(RejectedEvent.objects.values_list("message_id", flat=True)) == ["0"]
    assert set(Delivery.objects.values_list("message_id", flat=True)) == {
        "delivered 29",
        "skipped 29",
        "aborted 89",
        "failed 400",
        "waiting 400",
    }
    assert Attempt.objects.get().message_id == "29"
    assert MidnightKey.objects.get().message_id == "0.5"
    assert Process.objects.get().node == "0.5"
    assert ModeChange.objects.get().reason == "364"


def test_a_replay_goes_with_its_actions_long_after_it_ended(link: Link, raw: Connection) -> None:
    old, recent = timezone.now() - timedelta(days=366), timezone.now() - timedelta(days=364)
    for name, ended_at, acted_at in (("gone", old, old), ("kept", recent, old), ("open", None, old)):
        replay = Replay.objects.create(
            destination=link.destination,
            origin="log",
            user_key=name,
            total=0,
            total_is_exact=True,
            state="finished" if ended_at else "paused",
            ended_at=ended_at,
            counts={} if ended_at else None,
        )
        ReplayAction.objects.create(replay=replay, action="create")
        ReplayAction.objects.filter(replay=replay).update(at=acted_at)
    trial = Trial.objects.create(destination=link.destination, asked_by="ada")
    Trial.objects.filter(pk=trial.pk).update(asked_at=timezone.now() - timedelta(days=31))
    done = upkeep.run(due_only=False) or {}
    assert (done["replay_actions_pruned"], done["replays_pruned"], done["test_events_pruned"]) == (2, 1, 1)
    assert set(Replay.objects.values_list("user_key", flat=True)) == {"kept", "open"}


def test_batch_after_batch_until_nothing_is_old(
    source: Source, raw: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH_ROWS", 3)
    rejected(source, *[2] * 10, 0)
    assert Pruning("ingest_rejectedevent", "received_at", DAY).look(raw) == ["10 to be deleted"]
    assert Pruning("ingest_rejectedevent", "received_at", DAY).prune(raw) == 10
    assert RejectedEvent.objects.count() == 1


def test_what_takes_too_long_is_left_for_the_next_time(
    source: Source, raw: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH_ROWS", 3)
    monkeypatch.setattr(pruning, "RUN_SECONDS", -1.0)
    rejected(source, *[2] * 10)
    assert Pruning("ingest_rejectedevent", "received_at", DAY).prune(raw) == 3
    assert RejectedEvent.objects.count() == 7


def test_a_row_that_somebody_works_on_is_passed_by(source: Source, raw: Connection) -> None:
    rejected(source, 3, 2)
    with closing(db.connect("worker", 10)) as worker:
        worker.autocommit = False
        with worker.cursor() as cursor:
            cursor.execute("SELECT FROM ingest_rejectedevent WHERE message_id = '0' FOR UPDATE")
            assert Pruning("ingest_rejectedevent", "received_at", DAY).prune(raw) == 1
    assert RejectedEvent.objects.get().message_id == "0"


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("rejected_events_pruned", "ingest_rejectedevent_received_at"),
        ("midnight_keys_pruned", "midnight_key_age"),
        ("finished_deliveries_pruned", "delivery_finished"),
        ("dead_letters_pruned", "delivery_dead_letter"),
        ("attempts_pruned", "attempt_age"),
    ],
)
@pytest.mark.usefixtures("committed")
def test_the_oldest_are_found_by_an_index(name: str, index: str) -> None:
    chore = upkeep._chores[name].do.__self__  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off")
        cursor.execute(
            f"EXPLAIN SELECT ctid FROM {chore.table} WHERE {chore._old} ORDER BY {chore.column} LIMIT 10",
            [chore.seconds],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET ALL")
    assert index in plan
    assert "Sort" not in plan
