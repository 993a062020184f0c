"""Nothing that we answer in an overload or an outage makes an official server-side SDK drop an event.

The real answer in the real situation, met by every SDK at once; and how long each lasts when we are away for longer.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.e2e import http
from tests.e2e.conftest import services
from tests.e2e.services import Services
from tests.e2e.stack import Stack, running
from tests.sdk.through import COUNT, SDKS, Sending, redis_options
from tests.stack.harness import eventually

__all__ = ["services"]
pytestmark = pytest.mark.slow

MOST_REQUESTS = 8
SETTINGS = {
    "RETRY_AFTER_SECONDS": "3",
    "WEB_MAX_REQUESTS": str(MOST_REQUESTS),
    "INGEST_COMMIT_TIMEOUT_SECONDS": "60",
    "RECOVERY_ENABLED": "0",
}
LIMITS = {"held": None, "away": None, "long": None, "busy": None, "stopped": None, "slow": 2}  # of each source
SHORTEST = "rudder-node"  # how long it lasts; so it begins when the others have begun
# They send one batch after the other; what Segment's for Python was told to keep goes behind what came meanwhile.
IN_ORDER = {"rudder-python", "rudder-node with Redis"}


@pytest.fixture(scope="module")
def web(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Nothing but a web process: what it stored is what arrived."""
    with running(services.environ | SETTINGS, tmp_path_factory.mktemp("web"), "web") as found:
        found.apply(sources=[{"name": key, "write_key": key, "rate_limit": rate} for key, rate in LIMITS.items()])
        yield found


@pytest.fixture
def database(services: Services) -> Iterator[Connection]:
    raw = psycopg2.connect(services.environ["DATABASE_URL"])
    yield raw
    raw.close()


@contextlib.contextmanager
def sending(web: Stack, key: str, node_sdk: Path, all_are_refused: bool = True) -> Iterator[list[Sending]]:
    """All SDKs under one write key, each refused once at least when the block begins."""
    plan = {
        "url": f"http://127.0.0.1:{web.web_port}",
        "writeKey": key,
        "redis": redis_options(web.environ["CELERY_BROKER_URL"]),
    }
    found: list[Sending] = []
    try:
        for together in (set(SDKS) - {SHORTEST}, {SHORTEST}):
            begun = [Sending(sdk, node_sdk, plan) for sdk in together]
            found += begun
            for one in begun if all_are_refused else ():
                one.wait_refused()
        yield found
    finally:
        for one in found:
            one.close()


@contextlib.contextmanager
def requests_held(web: Stack, database: Connection, count: int) -> Iterator[list[int]]:
    """So many requests sent, whose commits wait until the end of the block; the statuses of those answered."""
    with database.cursor() as cursor:
        cursor.execute("LOCK TABLE ingest_event IN ACCESS EXCLUSIVE MODE")
    statuses: list[int] = []

    def send(number: int) -> None:
        statuses.append(http.post(web.web_port, "/v1/track", {"userId": f"held-{number}"}, "held").status)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        database.rollback()
        for thread in threads:
            thread.join()


def a_commit_waits(database: Connection) -> bool:
    with database.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'ingest_event'::regclass)")
        row = cursor.fetchone()
        return bool(row and row[0])


def assert_arrived(web: Stack, key: str, sdks: list[Sending]) -> None:
    """All events of these, each once, in order where the SDK promises that."""
    assert {one.sdk: one.outcome() for one in sdks} == {one.sdk: {"delivered": COUNT, "lost": 0} for one in sdks}
    stored = web.stored(key)
    assert set(stored) == {one.user for one in sdks}
    for one in sdks:
        assert sorted(stored[one.user]) == sorted(one.message_ids)
        assert stored[one.user] == one.message_ids or one.sdk not in IN_ORDER


def test_a_database_that_is_away_for_a_while(web: Stack, services: Services, node_sdk: Path) -> None:
    with contextlib.ExitStack() as until_the_end:
        with services.away("postgres"):
            sdks = until_the_end.enter_context(sending(web, "away", node_sdk))

        assert_arrived(web, "away", sdks)


def test_an_outage_longer_than_three_times_retry_after_is_too_long_for_rudder_node_in_memory_alone(
    web: Stack, services: Services, node_sdk: Path
) -> None:
    with contextlib.ExitStack() as until_the_end:
        with services.away("postgres"):
            sdks = until_the_end.enter_context(sending(web, "long", node_sdk))
            (in_memory,) = (one for one in sdks if one.sdk == SHORTEST)
            assert in_memory.outcome() == {"delivered": 0, "lost": COUNT}

        assert_arrived(web, "long", [one for one in sdks if one is not in_memory])


def test_more_requests_than_may_be_in_work(web: Stack, database: Connection, node_sdk: Path) -> None:
    with contextlib.ExitStack() as until_the_end:
        with requests_held(web, database, MOST_REQUESTS + 1) as statuses:
            assert eventually(lambda: list(statuses)) == [503]
            sdks = until_the_end.enter_context(sending(web, "busy", node_sdk))

        assert_arrived(web, "busy", sdks)


def test_a_web_process_that_is_stopped_and_started(web: Stack, database: Connection, node_sdk: Path) -> None:
    with contextlib.ExitStack() as until_the_end:
        with requests_held(web, database, 1) as statuses:
            eventually(lambda: a_commit_waits(database))
            os.kill(web.guard_pid("web"), signal.SIGTERM)
            eventually(lambda: "web.stopping" in web.log("web"))
            sdks = until_the_end.enter_context(sending(web, "stopped", node_sdk))
            assert statuses == []

        assert statuses == [200]
        assert web.stop("web") == 0
        web.start("web")
        assert_arrived(web, "stopped", sdks)


def test_a_source_over_its_rate(web: Stack, node_sdk: Path) -> None:
    with sending(web, "slow", node_sdk, all_are_refused=False) as sdks:
        assert_arrived(web, "slow", sdks)
        assert any(one.was_refused for one in sdks)
