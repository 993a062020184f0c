"""Fixtures for every test: a committed database with its single rows, and the environment of a process of ours."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from psycopg2.extensions import connection as Connection  # noqa: N812
from redis import Redis

from ingest import log
from ingest.config import sources
from rudderproj import db
from rudderproj.celery import app
from tests import flush

SDK_TESTS = Path(__file__).parent / "sdk"
SINGLE_ROWS = """
INSERT INTO ingest_configversion (id, version) VALUES (1, 1) ON CONFLICT DO NOTHING;
INSERT INTO alerts_mode (id, mode, since, reason, actor) VALUES (1, 'normal', now(), '', '') ON CONFLICT DO NOTHING;
"""


# What makes guessing passwords slow makes tests with logins slow: a third of the fast ones' time.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]

flush.install()

# Timing is measured in benchmarks: a busy machine must not fail a property.
hypothesis.settings.register_profile(
    "ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("ours")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests that start whole stacks come first, so that both workers end with short ones.

    `make test-sdk` has one browser, and beside it the other SDKs. Whoever asks for the environment of a process starts
    one.
    """
    for item in items:
        if SDK_TESTS in item.path.parents:
            item.add_marker(pytest.mark.sdk)
            item.add_marker(pytest.mark.xdist_group("sdk"))
        elif item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("browser"))
        elif "process_env" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.process)
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture
def committed(transactional_db: None) -> Iterator[None]:
    """A real database without a transaction around the test: threads and processes see what it writes.

    Emptied afterwards; the rows of which there is always one are put back before.
    """
    with connection.cursor() as cursor:
        cursor.execute(SINGLE_ROWS)
    sources.clear()
    yield
    log.stop()
    db.close_kept()
    sources.clear()


@pytest.fixture
def raw(committed: None) -> Iterator[Connection]:
    """A connection as the product's own SQL uses them."""
    with closing(db.connect("tests", 30)) as opened:
        yield opened


@pytest.fixture
def broker(committed: None) -> Iterator[Redis]:
    """The broker, empty before and after."""
    with closing(Redis.from_url(app.conf.broker_url)) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def process_env(committed: None) -> dict[str, str]:
    """The environment for a process of the product that works on the test database."""
    values = connection.settings_dict
    base, _, _ = os.environ["DATABASE_URL"].partition("?")
    url = base.rsplit("/", 1)[0] + f"/{values['NAME']}"
    query = os.environ["DATABASE_URL"].partition("?")[2]
    return os.environ | {"DATABASE_URL": f"{url}?{query}" if query else url}
