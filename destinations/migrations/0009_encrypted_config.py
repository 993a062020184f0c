"""Destinations' configurations are encrypted: what is there is encrypted as JSON text, then the column becomes text.

Changing the type last rewrites the table, so that no dead row keeps a plain configuration.
"""

import json
from typing import Any

from django.core.management.base import CommandError
from django.db import migrations

from rudderproj import secrets
from rudderproj.secrets_field import EncryptedJSONField

TO_TEXT = "ALTER TABLE destinations_destination ALTER COLUMN config TYPE text USING config #>> '{}'"
TO_JSON = "ALTER TABLE destinations_destination ALTER COLUMN config TYPE jsonb USING to_jsonb(config)"


def encrypt(_apps: object, editor: Any) -> None:
    """{…} -> "enc1:…"."""
    _rewrite(editor, lambda plain: json.dumps(secrets.ring().encrypt(plain)))


def decrypt(_apps: object, editor: Any) -> None:
    """ "enc1:…" -> {…}."""
    _rewrite(editor, lambda stored: secrets.ring().decrypt(json.loads(stored)))


def _rewrite(editor: Any, change: Any) -> None:
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT id, config::text FROM destinations_destination")
        for pk, config in cursor.fetchall():
            try:
                changed = change(config)
            except secrets.SecretUnreadable as error:
                raise CommandError(f"the configuration of destination {pk}: {error}") from None
            cursor.execute("UPDATE destinations_destination SET config = %s::jsonb WHERE id = %s", [changed, pk])


class Migration(migrations.Migration):
    dependencies = [("destinations", "0008_delivery_of_message")]
    operations = [
        migrations.RunPython(encrypt, decrypt),
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(TO_TEXT, TO_JSON)],
            [migrations.AlterField("destination", "config", EncryptedJSONField(blank=True, default=dict))],
        ),
    ]
