"""Expand and contract: the previous release's code runs with the present schema, which takes nothing from it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.fields import NOT_PROVIDED

from tests.deploy import former
from tests.docs.pages import ROOT
from tests.e2e.sink import Sink, recording
from tests.e2e.stack import Stack

# Nothing was released before these; what they take away, no release has used.
FIRST_RELEASE = {"alerts": 6, "destinations": 24, "ingest": 10, "logins": 1}
# Later ones that harm nothing which the release before them still did: named here by whoever has made sure.
CONTRACTING: set[str] = set()
# What the search finds in those that came before the first release: it is tried on what people really wrote.
HISTORY = {
    "alerts/0006_restarts_are_derived": ["RemoveField"],
    "destinations/0009_encrypted_config": ["RunPython", "ALTER COLUMN config TYPE"],
    "destinations/0010_replay": [
        *("RemoveConstraint", "RemoveConstraint", "RemoveIndex"),
        *("AddConstraint", "AddConstraint", "AddConstraint"),
    ],
    "destinations/0015_foreign_lanes": ["RENAME TO"],
    "destinations/0021_one_index_of_dead_letters": ["RemoveIndex"],
    "ingest/0007_write_keys": ["AddConstraint"],
}

# Or forbids what older code may write; what a RunPython does, nobody can see from here.
TAKES_AWAY = (
    *(migrations.RemoveField, migrations.DeleteModel, migrations.RenameField, migrations.RenameModel),
    *(migrations.AlterModelTable, migrations.AlterUniqueTogether, migrations.RemoveIndex),
    *(migrations.AddConstraint, migrations.RemoveConstraint, migrations.RunPython),
)
IN_SQL = re.compile(
    r"""\b(?:
    DROP\s+(?!NOT\s+NULL\b)"?\w+                      # COLUMN is optional, and so it has every name
    |RENAME\s+"?\w+
    |SET\s+NOT\s+NULL
    |ALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b
    |ADD\s+(?:CONSTRAINT|CHECK|UNIQUE|EXCLUDE|PRIMARY|FOREIGN)\b
    |CREATE\s+UNIQUE\s+INDEX
    )""",
    re.IGNORECASE | re.VERBOSE,
)
REQUIRED_IN_SQL = re.compile(r"\bADD\b(?!.*\b(?:DEFAULT|GENERATED|\w*SERIAL)\b).*\bNOT\s+NULL\b", re.I | re.S)


def harm(operation: Any, app: str, before: ProjectState) -> Iterator[str]:
    """What of it breaks code that knows nothing of it, where that is what was there `before` its migration."""
    name = type(operation).__name__
    model = getattr(operation, "model_name", None)
    if model and (app, model.lower()) not in before.models:
        return  # the migration makes the table itself
    if isinstance(operation, TAKES_AWAY):
        yield name
    elif isinstance(operation, migrations.AddField) and is_required(operation.field):
        yield f"{name} of a column that is NOT NULL without a default in the database"
    elif isinstance(operation, migrations.AlterField):
        yield from harm_of_altering(operation, app, before)
    elif isinstance(operation, migrations.RunSQL):
        yield from harm_in_sql(operation.sql)
    elif isinstance(operation, migrations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from harm(inner, app, before)


def is_required(field: Any) -> bool:
    """Whether a row cannot be written without naming its column."""
    return not field.null and not field.many_to_many and field.db_default is NOT_PROVIDED


def harm_of_altering(operation: migrations.AlterField, app: str, before: ProjectState) -> Iterator[str]:
    after = before.clone()
    operation.state_forwards(app, after)
    old, new = (
        state.apps.get_model(app, operation.model_name)._meta.get_field(operation.name) for state in (before, after)
    )
    if old.db_type(connection) != new.db_type(connection):
        yield "AlterField of a column's type"
    if old.column != new.column:
        yield "AlterField of a column's name"
    if new.unique and not old.unique:
        yield "AlterField of a column that becomes unique"
    if is_required(new) and not is_required(old):
        yield "AlterField of a column that becomes NOT NULL without a default in the database"


def harm_in_sql(statements: Any) -> Iterator[str]:
    parts = [statements] if isinstance(statements, str) else statements
    sql = "\n".join(part if isinstance(part, str) else part[0] for part in parts)
    sql = re.sub(r"--[^\n]*", "", sql)
    yield from (" ".join(found[0].split()) for found in IN_SQL.finditer(sql))
    while (flat := re.sub(r"\([^()]*\)", "", sql)) != sql:  # numeric(10, 2) is one column
        sql = flat
    if any(REQUIRED_IN_SQL.search(clause) for clause in re.split("[,;]", sql)):
        yield "ADD of a column that is NOT NULL without DEFAULT"


def problems() -> dict[str, list[str]]:
    """What is harmful in each migration of ours, as `app/number_name`."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    found = {}
    for (app, name), migration in loader.disk_migrations.items():
        if migration.__module__.partition(".")[0] in packages:
            before = loader.project_state((app, name), at_end=False)
            found[f"{app}/{name}"] = [one for each in migration.operations for one in harm(each, app, before)]
    return found


def is_released(key: str) -> bool:
    app, _, name = key.partition("/")
    return int(name[:4]) <= FIRST_RELEASE.get(app, 0)


def test_no_migration_takes_away_what_the_previous_release_uses() -> None:
    found = {key: harmful for key, harmful in problems().items() if harmful and not is_released(key)}
    assert {key: harmful for key, harmful in found.items() if key not in CONTRACTING} == {}


def test_the_search_finds_what_was_done_before_the_first_release() -> None:
    found = {key: harmful for key, harmful in problems().items() if is_released(key)}
    assert {key: harmful for key, harmful in found.items() if harmful} == HISTORY
    assert {app: sum(key.startswith(f"{app}/") for key in found) for app in FIRST_RELEASE} == FIRST_RELEASE


@pytest.fixture
def before() -> ProjectState:
    """A table as the previous release has it."""
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("lane", models.SmallIntegerField()),
        ("size", models.IntegerField(null=True)),
        ("kind", models.CharField(max_length=10)),
    ]
    state = ProjectState()
    state.add_model(ModelState("ingest", "event", fields))
    return state


LANES = models.CheckConstraint(condition=models.Q(lane__lt=64), name="lanes")


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        (migrations.RemoveField("event", "lane"), "RemoveField"),
        (migrations.RenameField("event", "lane", "track"), "RenameField"),
        (migrations.DeleteModel("Event"), "DeleteModel"),
        (migrations.AddField("event", "bytes", models.IntegerField(default=0)), "NOT NULL"),
        (migrations.AlterField("event", "size", models.IntegerField()), "NOT NULL"),
        (migrations.AlterField("event", "size", models.BigIntegerField(null=True)), "type"),
        (migrations.AlterField("event", "kind", models.CharField(max_length=5)), "type"),
        (migrations.AlterField("event", "size", models.IntegerField(null=True, db_column="bytes")), "name"),
        (migrations.AlterField("event", "size", models.IntegerField(null=True, unique=True)), "unique"),
        (migrations.AddConstraint("event", LANES), "AddConstraint"),
        (migrations.RemoveConstraint("event", "lanes"), "RemoveConstraint"),
        (migrations.RemoveIndex("event", "i"), "RemoveIndex"),
        (migrations.AlterUniqueTogether("event", {("lane", "size")}), "AlterUniqueTogether"),
        (migrations.RunPython(migrations.RunPython.noop), "RunPython"),
        (migrations.RunSQL("ALTER TABLE a ALTER b SET NOT NULL"), "SET NOT NULL"),
        (migrations.RunSQL("alter table a drop column b"), "drop column"),
        (migrations.RunSQL("ALTER TABLE a DROP b"), "DROP b"),
        (migrations.RunSQL('ALTER TABLE a DROP "b"'), 'DROP "b'),
        (migrations.RunSQL("ALTER TABLE a ALTER b DROP DEFAULT"), "DROP DEFAULT"),
        (migrations.RunSQL(["SELECT 1", ("\nDROP TABLE a", [])]), "DROP TABLE"),
        (migrations.RunSQL("DROP FUNCTION f"), "DROP FUNCTION"),
        (migrations.RunSQL("DROP TRIGGER t ON a"), "DROP TRIGGER"),
        (migrations.RunSQL("DROP VIEW v"), "DROP VIEW"),
        (migrations.RunSQL("DROP INDEX CONCURRENTLY i"), "DROP INDEX"),
        (migrations.RunSQL("ALTER TABLE a DROP CONSTRAINT c"), "DROP CONSTRAINT"),
        (migrations.RunSQL("ALTER TABLE a RENAME TO b"), "RENAME TO"),
        (migrations.RunSQL("ALTER TABLE a RENAME b TO c"), "RENAME b"),
        (migrations.RunSQL("ALTER TABLE a RENAME COLUMN b TO c"), "RENAME COLUMN"),
        (migrations.RunSQL("ALTER TABLE a ALTER COLUMN b TYPE bigint"), "ALTER COLUMN b TYPE"),
        (migrations.RunSQL("ALTER TABLE a ALTER b SET DATA TYPE text"), "ALTER b SET DATA TYPE"),
        (migrations.RunSQL("ALTER TABLE a ADD COLUMN b numeric(10, 2) NOT NULL"), "without DEFAULT"),
        (migrations.RunSQL("ALTER TABLE a ADD b int DEFAULT 0, ADD c int NOT NULL"), "without DEFAULT"),
        (migrations.RunSQL("ALTER TABLE a ADD CONSTRAINT c CHECK (b IS NOT NULL)"), "ADD CONSTRAINT"),
        (migrations.RunSQL("CREATE UNIQUE INDEX i ON a (b)"), "CREATE UNIQUE INDEX"),
        (migrations.SeparateDatabaseAndState([migrations.RunSQL("DROP TABLE a")]), "DROP TABLE"),
    ],
)
def test_what_would_break_older_code_is_found(operation: Any, word: str, before: ProjectState) -> None:
    (problem,) = harm(operation, "ingest", before)
    assert word in problem


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("event", "bytes", models.IntegerField(null=True)),
        migrations.AddField("event", "bytes", models.IntegerField(db_default=0)),
        migrations.AddField("made here", "bytes", models.IntegerField()),
        migrations.AddConstraint("made here", LANES),
        migrations.AlterField("event", "lane", models.SmallIntegerField(help_text="0 to 63")),
        migrations.AlterField("event", "lane", models.SmallIntegerField(null=True)),
        migrations.RunSQL("ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 0, ADD c bigserial NOT NULL, ADD d text"),
        migrations.RunSQL("ALTER TABLE a ALTER b DROP NOT NULL -- DROP TABLE comes with the next release"),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY i ON a (b)", "DROP TABLE a"),
        migrations.AddIndex("event", models.Index(name="i", fields=["lane"])),
    ],
)
def test_what_only_expands_is_let_through(operation: Any, before: ProjectState) -> None:
    assert list(harm(operation, "ingest", before)) == []


@pytest.mark.slow
def test_the_previous_release_accepts_and_forwards_with_the_present_schema(
    process_env: dict[str, str], tmp_path: Path
) -> None:
    """As during a rollout, and the rollback: its web and its worker, and ours beside them, on one database."""
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
            assert new.stop("forward") == 0
            old.start("forward", code=code)
            sent += post(old, range(25, 30)) + post(new, range(30, 35)) + post(old, range(35, 40))
            assert arrived(sink, 40) == sent  # the way back: what either web took, by the old worker again
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
