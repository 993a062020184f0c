"""Events written straight into the log, and a source connected to a destination."""

import itertools
from collections.abc import Callable

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.models import Connection as Link
from destinations.models import Destination
from ingest.models import Source
from ingest.statements import NewEvent, insert_events

Write = Callable[..., None]


@pytest.fixture
def source(committed: None) -> Source:
    return Source.objects.create(name="web", write_key="k")


@pytest.fixture
def link(source: Source) -> Link:
    hook = Destination.objects.create(name="hook", type="webhook", config={"webhookUrl": "http://h.test"})
    return Link.objects.create(source=source, destination=hook)


@pytest.fixture
def write(raw: Connection) -> Write:
    """Write one event into each of the given lanes, in one transaction."""
    ids = itertools.count()

    def into(source: Source, lanes: list[int], connection: Connection | None = None) -> None:
        events = [NewEvent(source.pk, f"m{next(ids)}", lane, f"u{lane}", "{}") for lane in lanes]
        insert_events(connection or raw, events)

    return into
