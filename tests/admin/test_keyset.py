"""Long lists: pages by where one stands, each row exactly once, no count and no offset."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ingest.models import RejectedEvent, Source

ROWS = 125
LIST = "/admin/ingest/rejectedevent/"


@pytest.fixture
def rejected(committed: None) -> Source:
    """125 rows, of which several share a time, newest last."""
    source = Source.objects.create(name="web", write_key="k")
    first = datetime(2026, 1, 1, tzinfo=UTC)
    RejectedEvent.objects.bulk_create(
        RejectedEvent(source=source, received_at=first + timedelta(seconds=number // 7), reason=f"why {number:03}")
        for number in range(ROWS)
    )
    return source


def shown(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'title="why (\d+)"', page)]


def link(page: str, rel: str) -> str:
    found = re.search(rf'href="([^"]+)" rel="{rel}"', page)
    return found[1].replace("&amp;", "&") if found else ""


def fetch(client: Client, query: str) -> str:
    answer = client.get(LIST + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_walking_to_the_oldest_and_back_shows_each_row_once_newest_first(client: Client, rejected: Source) -> None:
    pages = [fetch(client, "")]
    while older := link(pages[-1], "next"):
        pages.append(fetch(client, older))
    assert [number for page in pages for number in shown(page)] == list(range(ROWS))[::-1]
    assert [len(shown(page)) for page in pages] == [50, 50, 25]
    assert link(pages[0], "prev") == ""
    back = fetch(client, link(pages[2], "prev"))
    assert shown(back) == shown(pages[1])
    first = fetch(client, link(back, "prev"))
    assert shown(first) == shown(pages[0])
    assert link(first, "prev") == ""


def test_a_page_costs_what_it_shows(client: Client, rejected: Source) -> None:
    older = link(fetch(client, ""), "next")
    for query in ("", older):
        with CaptureQueriesContext(connection) as queries:
            fetch(client, query)
        asked = [query["sql"] for query in queries if 'FROM "ingest_rejectedevent"' in query["sql"]]
        assert len(asked) == 1
        assert asked[0].endswith("LIMIT 51")
        assert "OFFSET" not in asked[0]


def test_a_filter_is_kept_while_paging(client: Client, rejected: Source) -> None:
    other = Source.objects.create(name="app", write_key="k2")
    RejectedEvent.objects.create(source=other, received_at=datetime.now(UTC), reason="why 999")
    chosen = f"?source__id__exact={rejected.pk}"
    page = fetch(client, chosen)
    assert shown(page)[0] == ROWS - 1
    assert f"source__id__exact={rejected.pk}" in link(page, "next")
    assert shown(fetch(client, link(page, "next")))[0] == ROWS - 51


@pytest.mark.parametrize("cursor", ["", "x", "2026-01-01T00:00:00+00:00", "a~b~c", "~"])
def test_a_cursor_that_cannot_be_read_leads_back_to_the_newest(client: Client, rejected: Source, cursor: str) -> None:
    answer = client.get(LIST, {"older_than": cursor}, follow=True)
    assert answer.status_code == 200
    assert "Database error" not in answer.content.decode()
