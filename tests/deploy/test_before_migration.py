"""Processes that start before the database has a table, as where all objects of the chart are made at once."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tests.e2e import http
from tests.e2e.sink import recording
from tests.e2e.stack import ROLES, WRITE_KEY, Stack
from tests.stack.harness import eventually

NAME = "before_migration"
WHILE_SECONDS = 10.0  # until all have asked the database more than once

pytestmark = pytest.mark.slow


@pytest.fixture
def empty(process_env: dict[str, str]) -> Iterator[str]:
    """The address of a database with nothing in it."""
    base, mark, query = process_env["DATABASE_URL"].partition("?")
    with closing(psycopg2.connect(process_env["DATABASE_URL"])) as raw:
        raw.autocommit = True
        cursor = raw.cursor()
        cursor.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {NAME}")
        yield f"{base.rpartition('/')[0]}/{NAME}{mark}{query}"
        cursor.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def test_they_refuse_and_wait_and_work_once_it_is_migrated(
    empty: str, process_env: dict[str, str], tmp_path: Path
) -> None:
    with recording() as sink:
        stack = Stack(process_env | {"DATABASE_URL": empty}, tmp_path)
        try:
            stack.start(*ROLES, wait=False)
            before = {role: stack.pid(role) for role in ROLES}
            time.sleep(WHILE_SECONDS)
            for method, path in (("GET", "/ready"), ("POST", "/v1/track")):
                answer = http.ask(stack.web_port, method, path, b"{}", http.basic(WRITE_KEY))
                assert (answer.status, "retry-after" in answer.headers) == (503, True), path
            stack.manage("migrate", "--no-input")
            eventually(stack.is_ready)
            stack.connect(sink.url)
            event = {"userId": "u", "event": "e", "messageId": "first"}
            assert eventually(lambda: stack.post("/v1/track", event).status == 200)
            assert [one.body["messageId"] for one in sink.wait(1)] == ["first"]
            assert {role: stack.pid(role) for role in ROLES} == before  # none ended over it
        finally:
            stack.close()
