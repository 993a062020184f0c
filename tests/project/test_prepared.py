"""Statements prepared once a connection: same answers, plans that follow what becomes of the tables."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj import db, prepared
from rudderproj.prepared import Prepared, Rows

PAIRS = Rows(number="int", name="text", day="date", taken="jsonb")
JOINED = Prepared(f"SELECT number, name, day, taken FROM {PAIRS.sql} p {PAIRS.columns} WHERE number %% 2 = %(rest)s")


@pytest.fixture
def raw(transactional_db: None) -> Iterator[Connection]:
    with closing(db.connect("test", 10)) as raw:
        yield raw


def fetched(raw: Connection, statement: Prepared, **parameters: object) -> list[tuple[object, ...]]:
    with raw.cursor() as cursor:
        statement.execute(cursor, parameters)
        return cursor.fetchall()


def planned(raw: Connection) -> list[tuple[int, int]]:
    """How often each statement of this connection ran by its one plan, and by a plan of its own."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements ORDER BY name")
        return cursor.fetchall()


def test_rows_arrive_with_their_types_and_their_nulls(raw: Connection) -> None:
    rows = [(1, "it's\\", "2026-01-31", "[]"), (2, None, "2026-02-01", "{}"), (3, "ü\n", None, None)]

    found = fetched(raw, JOINED, rest=1, **PAIRS.parameters(rows))

    assert [(number, name, day and str(day), taken) for number, name, day, taken in found] == [
        (1, "it's\\", "2026-01-31", []),
        (3, "ü\n", None, None),
    ]


def test_a_statement_is_planned_once_however_many_rows_it_gets(raw: Connection) -> None:
    for size in range(1, 8):
        fetched(raw, JOINED, rest=0, **PAIRS.parameters([(n, "", None, None) for n in range(size)]))

    assert planned(raw) == [(7, 0)]


def test_plans_are_made_anew_after_their_time(raw: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE t (a int); CREATE INDEX ON t (a)")
    one = Prepared("SELECT a FROM t WHERE a = %(a)s")
    fetched(raw, one, a=1)
    discarded: list[str] = []
    execute = psycopg2.extensions.cursor.execute

    class Watched(psycopg2.extensions.cursor):
        def execute(self, query: str | bytes, vars: object = None) -> None:  # type: ignore[override]
            discarded.extend([str(query)] if str(query).startswith("DISCARD") else [])
            execute(self, query, vars)  # type: ignore[arg-type]

    raw.cursor_factory = Watched
    now = prepared.clock()
    monkeypatch.setattr(prepared, "clock", lambda: now)
    counts = []
    for _ in range(200):
        now += 1.0
        fetched(raw, one, a=1)
        counts.append(len(discarded))

    assert [counts.index(number) + 1 for number in range(1, 6)] == [10, 31, 72, 133, 194]
    assert set(discarded) == {"DISCARD PLANS"}


def test_a_table_that_is_analyzed_is_planned_for_anew(raw: Connection) -> None:
    one = Prepared("SELECT a FROM t WHERE a = %(a)s")

    def plan() -> str:
        with raw.cursor() as cursor:
            cursor.execute(f"EXPLAIN {one._call(cursor)}", {"a": 1})
            return str(cursor.fetchall())

    with raw.cursor() as cursor:
        cursor.execute("SET enable_seqscan = on")
        cursor.execute("CREATE TEMPORARY TABLE t (a int); INSERT INTO t VALUES (1); CREATE INDEX ON t (a); ANALYZE t")
        before = plan()
        cursor.execute("INSERT INTO t SELECT n FROM generate_series(2, 50_000) n")
        meanwhile = plan()
        cursor.execute("ANALYZE t")

    assert ("Seq Scan" in before, "Seq Scan" in meanwhile, "Seq Scan" in plan()) == (True, True, False)


def test_each_connection_prepares_for_itself(raw: Connection) -> None:
    one, two = Prepared("SELECT 1"), Prepared("SELECT 2")
    with closing(db.connect("test", 10)) as other:
        assert [fetched(raw, one), fetched(raw, two)] == [[(1,)], [(2,)]]
        assert [fetched(other, two), fetched(other, one)] == [[(2,)], [(1,)]]


def test_what_could_not_be_prepared_is_tried_again(raw: Connection) -> None:
    statement = Prepared("SELECT a FROM not_there_yet")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        fetched(raw, statement)
    with raw.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE not_there_yet AS SELECT 5 AS a")

    assert fetched(raw, statement) == [(5,)]


def test_a_column_that_a_migration_adds_meanwhile_disturbs_nobody(raw: Connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE log (a int)")
    statement = Prepared("SELECT found.a FROM (SELECT * FROM log) found")
    fetched(raw, statement)
    with raw.cursor() as cursor:
        cursor.execute("ALTER TABLE log ADD COLUMN b int; INSERT INTO log VALUES (1, 2)")

    assert fetched(raw, statement) == [(1,)]
