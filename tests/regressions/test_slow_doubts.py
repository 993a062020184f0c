"""A look at a large log may take longer than a database that is ready takes to answer."""

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj import health


def test_a_database_is_taken_for_ready_however_long_its_doubts_took(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Connection] = []

    def ask(raw: Connection) -> str:
        asked.append(raw)
        with raw.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [health.ANSWER_SECONDS * 1.5])
        return ""

    monkeypatch.setattr(health, "_doubts", [ask])
    reason = health.Watch()._look()  # without its thread, which would never end
    with asked[0], asked[0].cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        timeout = cursor.fetchone()
    asked[0].close()

    assert (reason, timeout) == ("", ("1s",))
