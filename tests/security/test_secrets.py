"""Secrets in the database: encrypted with the first key, read with all, rotated, and never lost with a key."""

import base64
import importlib
import json
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.errors import LockNotAvailable

from alerts.models import Channel
from destinations.models import Destination
from rudderproj import db, secrets, secrets_rotation
from rudderproj.secrets import KeyRing, SecretUnreadable
from rudderproj.secrets_field import Unreadable

CONFIG = {"webhookUrl": "http://h.test/in", "signing_secret": "whsec_canary"}
OLD, NEW, OTHER = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))

UseKeys = Callable[..., None]


@pytest.fixture
def use_keys(monkeypatch: pytest.MonkeyPatch, settings: Any) -> UseKeys:
    """`use_keys(first, …)`: what SECRETS_KEYS is from now on."""

    def use(*keys: str) -> None:
        monkeypatch.setitem(settings.ENV, "SECRETS_KEYS", list(keys))

    use(OLD)
    return use


@pytest.fixture
def hook(committed: None, use_keys: UseKeys) -> Destination:
    return Destination.objects.create(name="hook", type="webhook", config=CONFIG)


def stored(row: Destination) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT config FROM destinations_destination WHERE id = %s", [row.pk])
        return str(cursor.fetchone()[0])


def read(row: Destination) -> Any:
    return Destination.objects.get(pk=row.pk).config


def rotate(*options: str) -> tuple[int, list[str], list[str]]:
    """Exit code, what it said, what it complained of."""
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command("rotate-secrets", *options, stdout=out, stderr=err)
    except SystemExit as end:
        code = int(str(end.code))
    return code, out.getvalue().splitlines(), err.getvalue().splitlines()


@given(st.text())
def test_any_text_comes_back_and_two_encryptions_differ(text: str) -> None:
    ring = KeyRing([OLD])
    one, two = ring.encrypt(text), ring.encrypt(text)
    assert ring.decrypt(one) == ring.decrypt(two) == text
    assert one != two


@pytest.mark.parametrize(
    ("keys", "change", "reason"),
    [
        ([NEW], lambda text: text, f"SECRETS_KEYS does not contain the key '{secrets.key_id(OLD)}'"),
        ([], lambda text: text, f"SECRETS_KEYS does not contain the key '{secrets.key_id(OLD)}'"),
        ([OLD], lambda text: text[:-6] + "AAAAAA", "it was damaged"),
        ([OLD], lambda text: text.replace("enc1:", '{"webhookUrl":'), "it is not encrypted"),
        ([OLD], lambda text: text[:0], "it is not encrypted"),
    ],
)
def test_what_cannot_be_read_says_why(keys: list[str], change: Callable[[str], str], reason: str) -> None:
    with pytest.raises(SecretUnreadable) as caught:
        KeyRing(keys).decrypt(change(KeyRing([OLD]).encrypt("text")))
    assert str(caught.value).startswith(reason)


def test_nothing_is_encrypted_without_a_key() -> None:
    with pytest.raises(SecretUnreadable, match="SECRETS_KEYS is not set"):
        KeyRing([]).encrypt("text")


def test_a_configuration_is_encrypted_in_the_database_and_plain_in_python(hook: Destination) -> None:
    assert read(hook) == CONFIG
    assert Destination.objects.values_list("config", flat=True).get() == CONFIG
    assert stored(hook).startswith(f"enc1:{secrets.key_id(OLD)}:")
    assert "canary" not in stored(hook)
    assert "h.test" not in stored(hook)


@pytest.mark.parametrize("lookup", [{"config": CONFIG}, {"config__webhookUrl": "x"}, {"config__contains": "x"}])
def test_an_encrypted_field_cannot_be_searched_in(hook: Destination, lookup: dict[str, Any]) -> None:
    with pytest.raises(FieldError, match=r"encrypted|Unsupported lookup"):
        Destination.objects.filter(**lookup).exists()
    assert Destination.objects.filter(config__isnull=False).exists()


def test_a_dump_holds_no_plain_secret_and_can_be_loaded(hook: Destination) -> None:
    dump = serializers.serialize("json", Destination.objects.all())
    assert "canary" not in dump
    (loaded,) = serializers.deserialize("json", dump)
    assert isinstance(loaded.object, Destination)
    assert loaded.object.config == CONFIG


def test_with_its_key_missing_a_value_is_unreadable_and_is_written_back_as_it_was(
    hook: Destination, use_keys: UseKeys
) -> None:
    before = stored(hook)
    use_keys(NEW)
    row = Destination.objects.get(pk=hook.pk)
    assert isinstance(row.config, Unreadable)
    assert row.config == row.config != {}
    assert row.config_problem == f"SECRETS_KEYS does not contain the key '{secrets.key_id(OLD)}' it was encrypted with"
    row.enabled = False
    row.save()
    assert stored(hook) == before
    use_keys(NEW, OLD)
    assert read(hook) == CONFIG


def test_rotation_encrypts_everything_with_the_first_key(hook: Destination, use_keys: UseKeys) -> None:
    others = [Destination(name=f"d{n}", type="webhook", config={"webhookUrl": f"http://h{n}.test"}) for n in range(250)]
    Destination.objects.bulk_create(others)
    channel = Channel.objects.create(name="pager", provider="pagerduty", config={"routing_key": "canary"})
    use_keys(NEW, OLD)
    first = f"first key: {secrets.key_id(NEW)}"
    assert rotate("--check") == (
        1,
        [
            first,
            "alerts.Channel.config: 1 not encrypted with it",
            "destinations.Destination.config: 251 not encrypted with it",
        ],
        [],
    )
    assert rotate()[:2] == (
        0,
        [first, "alerts.Channel.config: 1 encrypted anew", "destinations.Destination.config: 251 encrypted anew"],
    )
    assert rotate("--check")[0] == 0
    assert rotate()[1][2] == "destinations.Destination.config: 0 encrypted anew"
    use_keys(NEW)
    assert read(hook) == CONFIG
    assert Channel.objects.get(pk=channel.pk).config == {"routing_key": "canary"}
    assert {row.config["webhookUrl"] for row in Destination.objects.filter(name__startswith="d")} == {
        f"http://h{n}.test" for n in range(250)
    }


def test_rotation_goes_on_past_what_it_cannot_read_and_says_so(hook: Destination, use_keys: UseKeys) -> None:
    use_keys(OTHER)
    lost = Destination.objects.create(name="lost", type="webhook", config=CONFIG)
    before = stored(lost)
    use_keys(NEW, OLD)
    code, said, complaints = rotate()
    assert (code, said[2]) == (1, "destinations.Destination.config: 1 encrypted anew")
    assert complaints == [
        f"destinations.Destination.config of {lost.pk} cannot be read: "
        f"SECRETS_KEYS does not contain the key '{secrets.key_id(OTHER)}' it was encrypted with"
    ]
    assert stored(lost) == before
    assert read(hook) == CONFIG


def test_rotation_never_overwrites_what_was_changed_meanwhile(
    hook: Destination, use_keys: UseKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and writing a row nobody can change it: the change waits, and then wins."""
    use_keys(NEW, OLD)
    (column,) = [one for one in secrets_rotation.columns() if one.table == "destinations_destination"]
    with transaction.atomic():
        ((pk, text),) = secrets_rotation._stale_rows(column, None)
        with closing(db.connect("tests", 5)) as other, other.cursor() as cursor, pytest.raises(LockNotAvailable):
            cursor.execute("SELECT 1 FROM destinations_destination WHERE id = %s FOR UPDATE NOWAIT", [pk])
    hook.config = {"webhookUrl": "http://newer.test"}
    hook.save()
    found = secrets_rotation.Rotated()
    secrets_rotation._rotate_row(column, pk, text, found)
    assert found.rotated == 0
    assert read(hook) == {"webhookUrl": "http://newer.test"}


def test_without_a_key_rotation_refuses(committed: None, use_keys: UseKeys) -> None:
    use_keys()
    with pytest.raises(Exception, match="SECRETS_KEYS is not set"):
        rotate()


def test_the_migration_encrypts_what_is_there_and_can_be_undone(hook: Destination) -> None:
    migration = importlib.import_module("destinations.migrations.0009_encrypted_config")
    with connection.cursor() as cursor, connection.schema_editor() as editor:
        cursor.execute(migration.TO_JSON)
        migration.decrypt(None, editor)
        cursor.execute("SELECT config::text, pg_typeof(config)::text FROM destinations_destination")
        text, kind = cursor.fetchone()
        assert (json.loads(text), kind) == (CONFIG, "jsonb")
        migration.encrypt(None, editor)
        cursor.execute(migration.TO_TEXT)
    assert read(hook) == CONFIG
    assert stored(hook).startswith("enc1:")


def test_the_migration_refuses_to_go_on_without_a_key(hook: Destination, use_keys: UseKeys) -> None:
    migration = importlib.import_module("destinations.migrations.0009_encrypted_config")
    use_keys()
    with connection.cursor() as cursor, connection.schema_editor() as editor:
        cursor.execute(migration.TO_JSON)
        with pytest.raises(
            CommandError, match=f"configuration of destination {hook.pk}: SECRETS_KEYS does not contain"
        ):
            migration.decrypt(None, editor)
        cursor.execute(migration.TO_TEXT)
    assert stored(hook).startswith("enc1:")
