"""A synchronous standby that does not confirm: what is committed here only is not durable enough for a 200."""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from django.db import connection

from ingest import log
from ingest.models import Event, Source
from tests.forwarding.workers import eventually
from tests.ingest_log.test_append import event

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def missing_standby(committed: None) -> Iterator[None]:
    source = Source.objects.create(name="before", write_key="before")
    log.append([event(source, "before")])  # the writer is connected
    _wait_for_standbys("'missing'")
    yield
    _wait_for_standbys("''")


def _wait_for_standbys(names: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = local")  # of this connection: the others wait
        cursor.execute(f"ALTER SYSTEM SET synchronous_standby_names = {names}")
        cursor.execute("SELECT pg_reload_conf()")
        assert eventually(lambda: _setting() == names.strip("'"))


def _setting() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_settings WHERE name = 'synchronous_standby_names'")
        return str(cursor.fetchone()[0])


def _cancel_writer() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'rudderproj event log' AND wait_event = 'SyncRep'"
        )
        return cursor.fetchone() is not None


def _refused(future: "Future[int]") -> bool:
    assert eventually(_cancel_writer)
    return isinstance(future.exception(30), log.LogUnavailable)


def test_an_event_whose_commit_no_standby_confirmed_is_not_answered_as_stored(missing_standby: None) -> None:
    source = Source.objects.get()

    assert _refused(log.submit([event(source, "a")]))
    assert Event.objects.filter(message_id="a").exists()  # it may well be stored: the client sends it again


def test_a_copy_of_what_no_standby_confirmed_is_not_answered_as_stored_either(missing_standby: None) -> None:
    source = Source.objects.get()
    assert _refused(log.submit([event(source, "a")]))

    assert _refused(log.submit([event(source, "a")]))


def test_it_is_stored_once_the_standby_is_no_longer_asked_for(missing_standby: None) -> None:
    source = Source.objects.get()
    assert _refused(log.submit([event(source, "a")]))
    _wait_for_standbys("''")

    assert log.append([event(source, "a"), event(source, "b")]) == 1
