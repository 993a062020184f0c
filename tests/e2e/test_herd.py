"""Hundreds of clients that come back in the same second after an outage: held off where need be, and all served."""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator

import psycopg2
import pytest

from tests.e2e.herd import Herd
from tests.e2e.services import Services
from tests.e2e.stack import Stack, running
from tests.stack.harness import eventually

pytestmark = pytest.mark.slow
CLIENTS = 500
EVENTS = 4
# Fewer than there are clients: whoever comes in excess must be held off.
SETTINGS = {"WEB_MAX_REQUESTS": "100", "RETRY_AFTER_SECONDS": "1", "RECOVERY_ENABLED": "0"}
SOURCES = """
INSERT INTO ingest_source (name, write_key, enabled, user_key, created_at, rate_limit)
SELECT name, name, true, 'user_id', now(), CASE name WHEN 'limited' THEN 300 END
FROM unnest('{away,stopped,limited}'::text[]) name
"""


@pytest.fixture(scope="module")
def web(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with psycopg2.connect(services.environ["DATABASE_URL"]) as raw, raw.cursor() as cursor:
        cursor.execute(SOURCES)
    with running(services.environ | SETTINGS, tmp_path_factory.mktemp("web"), "web") as found:
        yield found


@contextlib.contextmanager
def returning(web: Stack, key: str) -> Iterator[Herd]:
    """A herd that has begun to send; all of it is accepted at the end of the block."""
    herd = Herd(web.web_port, key, CLIENTS, EVENTS)
    thread = threading.Thread(target=herd.run)
    thread.start()
    yield herd
    thread.join()
    assert herd.answers[200] == CLIENTS * EVENTS
    assert set(herd.answers) <= {0, 200, 429, 503}


def assert_stored_once_and_in_order(services: Services, herd: Herd) -> None:
    found: dict[str, list[str]] = defaultdict(list)
    with contextlib.closing(psycopg2.connect(services.environ["DATABASE_URL"])) as raw, raw.cursor() as cursor:
        cursor.execute(
            "SELECT e.user_key, message_id FROM ingest_event e JOIN ingest_source s ON s.id = e.source_id"
            " WHERE s.write_key = %s ORDER BY xid, position",
            [herd.write_key],
        )
        for user, message_id in cursor.fetchall():
            found[user].append(message_id)
    assert found == herd.expected()


def test_after_a_database_that_was_away(web: Stack, services: Services) -> None:
    with contextlib.ExitStack() as until_all_are_served, services.away("postgres"):
        herd = until_all_are_served.enter_context(returning(web, "away"))
        eventually(lambda: len(herd.turned_away) == CLIENTS)

    assert herd.answers[503] >= CLIENTS
    assert herd.answers[0] == 0
    assert_stored_once_and_in_order(services, herd)


def test_after_a_web_process_that_was_gone(web: Stack, services: Services) -> None:
    web.kill("web")
    with returning(web, "stopped") as herd:
        eventually(lambda: len(herd.turned_away) == CLIENTS)
        web.start("web")

    assert_stored_once_and_in_order(services, herd)


def test_under_a_limit_of_their_source(web: Stack, services: Services) -> None:
    with returning(web, "limited") as herd:
        pass

    assert herd.answers[429] > 0
    assert_stored_once_and_in_order(services, herd)
