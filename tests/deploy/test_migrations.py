"""Expand and contract: the previous release's code runs with the present schema, which takes nothing from it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.models.fields import NOT_PROVIDED

from tests.deploy import former
from tests.docs.pages import ROOT
from tests.e2e.sink import Sink, recording
from tests.e2e.stack import Stack

# Nothing was released before these; what they take away, no release has used.
FIRST_RELEASE = {"alerts": 6, "destinations": 24, "ingest": 10}
# Later ones that take away what the release before them already did without: named here by whoever has made sure.
CONTRACTING: set[str] = set()

TAKES_AWAY = (
    *(migrations.RemoveField, migrations.DeleteModel, migrations.RenameField, migrations.RenameModel),
    migrations.AlterModelTable,
)
IN_SQL = re.compile(r"\b(DROP\s+(TABLE|COLUMN)|RENAME\s+(TO|COLUMN)|SET\s+NOT\s+NULL)\b", re.IGNORECASE)


def harm(operation: Any) -> Iterator[str]:
    """What of it breaks code that knows nothing of it."""
    name = type(operation).__name__
    if isinstance(operation, TAKES_AWAY):
        yield name
    elif isinstance(operation, migrations.AddField | migrations.AlterField):
        field = operation.field
        if not field.null and not field.many_to_many and field.db_default is NOT_PROVIDED:
            yield f"{name} of a column that is NOT NULL without a default in the database"
    elif isinstance(operation, migrations.RunSQL) and (found := IN_SQL.search(str(operation.sql))):
        yield found[0]
    elif isinstance(operation, migrations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from harm(inner)


def ours() -> dict[tuple[str, str], migrations.Migration]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return {key: one for key, one in loader.disk_migrations.items() if key[0] in FIRST_RELEASE}


def test_no_migration_takes_away_what_the_previous_release_uses() -> None:
    found = {
        f"{app}/{name}": problems
        for (app, name), migration in ours().items()
        if int(name[:4]) > FIRST_RELEASE[app] and f"{app}/{name}" not in CONTRACTING
        if (problems := [problem for operation in migration.operations for problem in harm(operation)])
    }
    assert found == {}


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        (migrations.RemoveField("event", "lane"), "RemoveField"),
        (migrations.RenameField("event", "lane", "track"), "RenameField"),
        (migrations.DeleteModel("Event"), "DeleteModel"),
        (migrations.AddField("event", "size", models.IntegerField(default=0)), "NOT NULL"),
        (migrations.AlterField("event", "size", models.IntegerField()), "NOT NULL"),
        (migrations.RunSQL("ALTER TABLE a ALTER b SET NOT NULL"), "SET NOT NULL"),
        (migrations.RunSQL("alter table a drop column b"), "drop column"),
    ],
)
def test_what_would_break_older_code_is_found(operation: Any, word: str) -> None:
    (problem,) = harm(operation)
    assert word in problem


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("event", "size", models.IntegerField(null=True)),
        migrations.AddField("event", "size", models.IntegerField(db_default=0)),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY i ON a (b)", "DROP TABLE a"),
        migrations.AddIndex("event", models.Index(name="i", fields=["lane"])),
    ],
)
def test_what_only_expands_is_let_through(operation: Any) -> None:
    assert list(harm(operation)) == []


@pytest.mark.slow
def test_the_previous_release_accepts_and_forwards_with_the_present_schema(
    process_env: dict[str, str], tmp_path: Path
) -> None:
    """As during a rollout: its web and its worker, and ours beside them, on one database."""
    code = former.unpacked(tmp_path / "former")
    assert former.migrations(code) < former.migrations(ROOT)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old, new = Stack(process_env, tmp_path / "a"), Stack(process_env, tmp_path / "b")
    with recording() as sink:
        try:
            new.connect(sink.url)
            old.start("web", "forward", code=code)
            sent = post(old, range(5))
            assert arrived(sink, 5) == sent  # by the old code alone
            new.start("web", "forward", NODE_ID="new")
            sent += post(old, range(5, 10)) + post(new, range(10, 15)) + post(old, range(15, 20))
            assert arrived(sink, 20) == sent
            assert old.stop("forward") == 0
            sent += post(old, range(20, 25))
            assert arrived(sink, 25) == sent  # what the old web took, by the new worker
        finally:
            old.close()
            new.close()


def post(stack: Stack, numbers: range) -> list[int]:
    """Events of one user, one after the other, each acknowledged."""
    for number in numbers:
        event = {"userId": "u", "event": "n", "messageId": f"former-{number}", "properties": {"n": number}}
        assert stack.post("/v1/track", event).status == 200
    return list(numbers)


def arrived(sink: Sink, count: int) -> list[int]:
    """The numbers at the sink, in order, once there are so many."""
    return [one.body["properties"]["n"] for one in sink.wait(count)]
