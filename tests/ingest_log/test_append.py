"""The event log: durable, deduplicated, in order."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import connection
from structlog.testing import capture_logs

from ingest import log
from ingest.hashing import lane_of
from ingest.models import Event, RejectedEvent, Source
from ingest.statements import NewEvent, Rejection
from rudderproj import db

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="web", write_key="WK")


def event(source: Source, message_id: str, user: str = "u") -> NewEvent:
    return NewEvent(source.pk, message_id, lane_of(user), user, json.dumps({"messageId": message_id}))


def test_events_of_one_request_keep_their_positions_in_one_transaction(source: Source) -> None:
    log.append([event(source, message_id) for message_id in ("c", "a", "b")])

    rows = list(Event.objects.order_by("xid", "position").values_list("message_id", "xid", "position"))
    assert [(message_id, position) for message_id, _, position in rows] == [("c", 0), ("a", 1), ("b", 2)]
    assert len({xid for _, xid, _ in rows}) == 1


def test_an_event_sent_after_the_answer_to_another_has_the_larger_xid(source: Source) -> None:
    for message_id in "abc":
        log.append([event(source, message_id)])

    assert list(Event.objects.order_by("xid").values_list("message_id", flat=True)) == ["a", "b", "c"]


def test_a_connection_that_was_ended_since_the_last_event_costs_the_next_one_nothing(source: Source) -> None:
    log.append([event(source, "a")])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'rudderproj event log' AND datname = current_database()"
        )
        assert cursor.fetchall() == [(True,)]

    assert log.append([event(source, "b")]) == 1
    assert list(Event.objects.order_by("xid").values_list("message_id", flat=True)) == ["a", "b"]


def test_a_copy_is_dropped_and_the_first_stays(source: Source) -> None:
    assert log.append([event(source, "a")]) == 1
    copy = NewEvent(source.pk, "a", 0, "other", "{}")

    assert log.append([copy]) == 0
    assert Event.objects.get().user_key == "u"


def test_the_same_message_id_of_another_source_is_another_event(source: Source) -> None:
    other = Source.objects.create(name="app", write_key="WK2")
    log.append([event(source, "a"), event(other, "a")])

    assert Event.objects.count() == 2


def test_a_copy_of_yesterdays_event_is_dropped(source: Source) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ingest_event SELECT (now() AT TIME ZONE 'UTC')::date - 1, %s, 'a', 0, 'u', 1, 0, now(), '{}'",
            [source.pk],
        )

    assert log.append([event(source, "a"), event(source, "b")]) == 1
    assert list(Event.objects.order_by("message_id").values_list("message_id", flat=True)) == ["a", "b"]


def test_copies_in_concurrent_requests_are_stored_once(source: Source) -> None:
    writers = [log.Writer() for _ in range(4)]
    barrier = threading.Barrier(len(writers))

    def send(writer: log.Writer) -> None:
        barrier.wait(10)
        for start in range(0, 200, 20):
            writer.append([event(source, f"m{number}") for number in reversed(range(start, start + 20))])

    threads = [threading.Thread(target=send, args=[writer]) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.stop()

    assert Event.objects.count() == 200


def test_a_row_that_the_database_refuses_does_not_fail_its_neighbours(source: Source) -> None:
    bad = NewEvent(source.pk, "x" * 4000 + "".join(chr(0x4E00 + n) for n in range(3000)), 0, "u", "{}")

    assert log.append([event(source, "a"), bad, event(source, "b")]) == 2
    assert RejectedEvent.objects.get().reason.startswith("refused by the database")


def test_rejections_are_kept_with_their_reasons(source: Source) -> None:
    log.append([], [Rejection(source.pk, "m", "no id", "{}")])

    assert RejectedEvent.objects.values_list("source_id", "message_id", "reason", "payload").get() == (
        source.pk,
        "m",
        "no id",
        "{}",
    )


@pytest.fixture
def without_partitions(committed: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ingest_event'::regclass")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {name}")
    yield
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date + n) FROM generate_series(-1, 2) n"
        )


@pytest.mark.usefixtures("without_partitions")
def test_a_missing_partition_is_made_on_demand(source: Source) -> None:
    assert log.append([event(source, "a")]) == 1


def test_a_rejection_that_cannot_be_kept_costs_nothing_else(source: Source) -> None:
    """Its source was deleted a moment ago: the events and rejections that share its commit are stored."""
    kept, lost = Rejection(source.pk, "kept", "no id", "{}"), Rejection(source.pk + 1, "lost", "no id", "{}")
    with capture_logs() as logs:
        assert log.append([event(source, "a")], [lost, kept]) == 1
    assert list(RejectedEvent.objects.values_list("message_id", flat=True)) == ["kept"]
    assert [line["event"] for line in logs] == ["rejection.not_kept"]


@pytest.mark.parametrize(
    ("events", "characters", "groups"),
    [(1000, 10**9, [1, 6]), (3, 10**9, [1, 3, 3]), (1000, 30, [1, 2, 2, 2])],
    ids=["all that waits", "no more events", "no more characters"],
)
def test_while_a_commit_runs_the_next_group_gathers_up_to_its_bounds(
    source: Source, monkeypatch: pytest.MonkeyPatch, events: int, characters: int, groups: list[int]
) -> None:
    monkeypatch.setattr(log, "GROUP_EVENTS", events)
    monkeypatch.setattr(log, "GROUP_CHARACTERS", characters)
    writer = log.Writer()
    with closing(db.connect("tests", 5)) as other:
        other.autocommit = False
        with other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE ingest_event IN ACCESS EXCLUSIVE MODE")
            first = writer.submit([event(source, "first")])
            while not writer._queue.empty():
                time.sleep(0.001)
            others = [writer.submit([event(source, f"e{number}")]) for number in range(6)]
    for stored in (first, *others):
        assert stored.result(30) > 0
    writer.stop()

    stored_by = Counter(Event.objects.order_by("xid").values_list("xid", flat=True))
    assert list(stored_by.values()) == groups
