"""Events, dead letters and failed ones in the admin: found, paged both ways, with what is known of each."""

import re
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from destinations.models import Attempt, Connection, DeadLetter, Delivery, Destination
from ingest.hashing import lane_of
from ingest.models import Event, Source
from ingest.statements import NewEvent, insert_events
from rudderproj import db

EVENTS, LETTERS, ROWS = "/admin/ingest/loggedevent/", "/admin/destinations/deadletter/", "/admin/destinations/delivery/"


@pytest.fixture
def link(client: Client) -> Connection:
    source = Source.objects.create(name="web", write_key="k")
    hook = Destination.objects.create(name="hook", type="webhook", config={"webhookUrl": "http://h.test/"})
    return Connection.objects.create(source=source, destination=hook)


def accept(link: Connection, *message_ids: str, user: str = "user-1") -> list[Event]:
    payload = '{"type": "track", "event": "Paid"}'
    with closing(db.connect("tests", 30)) as raw:
        for message_id in message_ids:
            insert_events(raw, [NewEvent(link.source_id, message_id, lane_of(user), user, payload)])
    return [Event.objects.get(message_id=message_id) for message_id in message_ids]


def row(link: Connection, event: Event, state: str = "aborted", **values: Any) -> Delivery:
    given: dict[str, Any] = {"reason": "HTTP 400", "payload": event.payload, "user_key": event.user_key}
    if state == "failed":
        given["next_attempt_at"] = timezone.now()
    place = {"xid": event.xid, "position": event.position, "day": event.day, "lane": event.lane}
    return Delivery.objects.create(connection=link, message_id=event.message_id, state=state, **place, **given | values)


def fetch(client: Client, path: str, **query: Any) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200
    return answer.content.decode()


def ids(page: str) -> list[str]:
    return re.findall(r"<th><a href=\"[^\"]+\">(m-\d+)</a>", page)


def follow(client: Client, path: str, page: str, rel: str) -> str:
    found = re.search(rf'href="(\?[^"]*)" rel="{rel}"', page)
    assert found, f"no {rel} link"
    answer = client.get(path + found[1].replace("&amp;", "&"))
    return answer.content.decode()


def test_events_are_paged_backwards_and_back_again(client: Client, link: Connection) -> None:
    names = [f"m-{number}" for number in range(120)]
    accept(link, *names)
    first = fetch(client, EVENTS)
    second = follow(client, EVENTS, first, "next")
    third = follow(client, EVENTS, second, "next")
    assert ids(first) + ids(second) + ids(third) == names[::-1]
    assert 'rel="next"' not in third
    assert 'rel="prev"' not in first
    assert ids(follow(client, EVENTS, third, "prev")) == ids(second)
    assert ids(follow(client, EVENTS, follow(client, EVENTS, third, "prev"), "prev")) == ids(first)


def test_events_are_found_by_user_and_time(client: Client, link: Connection) -> None:
    accept(link, "m-1", "m-2")
    accept(link, "m-3", user="user-2")
    assert ids(fetch(client, EVENTS, user_key="user-1")) == ["m-2", "m-1"]
    assert ids(fetch(client, EVENTS, until="2020-01-01T00:00:00")) == []
    assert ids(fetch(client, EVENTS, since="2020-01-01T00:00")) == ["m-3", "m-2", "m-1"]
    assert ids(fetch(client, EVENTS, since="yesterday", before="x")) == ["m-3", "m-2", "m-1"]


def test_an_event_tells_where_it_is(client: Client, link: Connection) -> None:
    (pending, given_up) = accept(link, "m-1", "m-2")
    letter = row(link, given_up)
    place = f"{link.source_id}-{given_up.lane}-{given_up.xid}-{given_up.position}"
    Attempt.objects.create(
        connection=link,
        xid=given_up.xid,
        position=given_up.position,
        message_id="m-2",
        at=timezone.now(),
        status=400,
        outcome="aborted",
        response="no such <field>",
        duration_ms=12,
    )
    page = fetch(client, f"{EVENTS}{place}/change/")
    assert 'rp-label--bad">aborted' in page
    assert "no such &lt;field&gt;" in page
    assert f"/admin/destinations/deadletter/{letter.pk}/change/" in page
    assert "pending" in fetch(client, EVENTS, message_id=pending.message_id)


def test_dead_letters_are_listed_by_destination_reason_and_time(client: Client, link: Connection) -> None:
    one, two, three = accept(link, "m-1", "m-2", "m-3")
    row(link, one)
    row(link, two, reason="HTTP 422")
    row(link, three, "failed")
    assert ids(fetch(client, LETTERS)) == ["m-2", "m-1"]
    assert ids(fetch(client, LETTERS, reason="HTTP 422")) == ["m-2"]
    assert ids(fetch(client, LETTERS, destination=link.destination_id)) == ["m-2", "m-1"]
    later = (timezone.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert ids(fetch(client, LETTERS, since=later)) == []
    assert ids(fetch(client, ROWS, state="failed")) == ["m-3"]


def test_a_dead_letter_shows_payload_request_and_answer(client: Client, link: Connection) -> None:
    (event,) = accept(link, "m-1")
    request = {"method": "POST", "url": "http://h.test/", "headers": [["x-token", "***"]]}
    letter = row(link, event, request=request, response={"status": 400, "error": "", "body": "<bad>"})
    page = fetch(client, f"{LETTERS}{letter.pk}/change/")
    for text in ("HTTP 400", "POST http://h.test/", "x-token: ***", "&lt;bad&gt;", "&quot;Paid&quot;"):
        assert text in page
    assert "_save" not in page


def test_dead_letters_are_paged_both_ways(client: Client, link: Connection) -> None:
    names = [f"m-{number}" for number in range(60)]
    for event in accept(link, *names):
        row(link, event)
    first = fetch(client, LETTERS)
    second = follow(client, LETTERS, first, "next")
    assert ids(first) + ids(second) == names[::-1]
    assert ids(follow(client, LETTERS, second, "prev")) == ids(first)


@pytest.mark.parametrize(
    "path", [EVENTS, LETTERS, ROWS, "/admin/destinations/attempt/", "/admin/ingest/rejectedevent/"]
)
def test_every_long_list_asks_for_a_page_and_counts_nothing(client: Client, link: Connection, path: str) -> None:
    event, *_ = accept(link, "m-1")
    row(link, event)
    with CaptureQueriesContext(connection) as queries:
        fetch(client, path)
    long = ("ingest_event e", "destinations_delivery", "destinations_attempt", "ingest_rejectedevent")
    asked = [query["sql"] for query in queries if any(f" {name}" in query["sql"].replace('"', "") for name in long)]
    assert asked
    for sql in asked:
        assert "COUNT(*)" not in sql.upper()
        assert "OFFSET" not in sql
        assert "LIMIT" in sql or "IN (" in sql or "unnest" in sql, sql


def test_a_list_reads_partitions_and_rows_by_their_indexes(client: Client, link: Connection) -> None:
    """With many days, and rows enough that a scan would be seen in the plan."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ingest_event_partition(current_date - n) FROM generate_series(3, 40) n")
    for event in accept(link, *[f"m-{number}" for number in range(20)]):
        row(link, event)
    with CaptureQueriesContext(connection) as queries:
        fetch(client, EVENTS)
        fetch(client, LETTERS)
    asked = [
        query["sql"]
        for query in queries
        if query["sql"].lstrip().startswith(("SELECT", "WITH"))
        and (" ingest_event" in query["sql"] or "LATERAL" in query["sql"])
    ]
    assert len(asked) == 2
    for sql in asked:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(db.SET_LOCAL_FROM_INDEXES)
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Seq Scan on ingest_event" not in plan
        assert "Seq Scan on destinations_delivery" not in plan
    assert DeadLetter.objects.count() == 20
