"""Encrypting everything anew with the first key of SECRETS_KEYS, while the system runs.

Works through every EncryptedJSONField of every model in small transactions; what is done needs no memory, since each
stored text names its key, so that a rotation that was stopped goes on where it was. Must never overwrite a value that
somebody changed meanwhile.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.apps import apps
from django.db import connection, transaction

from rudderproj import secrets
from rudderproj.secrets_field import EncryptedJSONField

BATCH = 100


@dataclass(frozen=True, slots=True)
class Column:
    """Where encrypted values are: the model's label and field, and their names in the database."""

    label: str
    table: str
    pk: str
    column: str


@dataclass(slots=True)
class Rotated:
    """What was found in one column. `unreadable`: {primary key: reason}."""

    rotated: int = 0
    unreadable: dict[int, str] = field(default_factory=dict)


def columns() -> Iterator[Column]:
    """Every column that is encrypted."""
    for model in apps.get_models():
        for one in model._meta.concrete_fields:
            if isinstance(one, EncryptedJSONField):
                pk = model._meta.pk.column
                yield Column(f"{model._meta.label}.{one.name}", model._meta.db_table, str(pk), str(one.column))


def stale(column: Column) -> int:
    """How many values are not encrypted with the first key."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT count(*) FROM "{column.table}" WHERE NOT starts_with("{column.column}", %s)',
            [secrets.ring().prefix],
        )
        return int(cursor.fetchone()[0])


def rotate(column: Column) -> Rotated:
    """Encrypt what is stale in it anew."""
    found, last = Rotated(), None
    while True:
        with transaction.atomic():
            rows = _stale_rows(column, last)
            for pk, stored in rows:
                _rotate_row(column, pk, stored, found)
        if not rows:
            return found
        last = rows[-1][0]


def _stale_rows(column: Column, after: int | None) -> list[tuple[int, str]]:
    """The next values to encrypt anew, locked; what somebody else holds is waited for."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT "{column.pk}", "{column.column}" FROM "{column.table}"'
            f' WHERE NOT starts_with("{column.column}", %s) AND (%s::bigint IS NULL OR "{column.pk}" > %s)'
            f' ORDER BY "{column.pk}" LIMIT {BATCH} FOR NO KEY UPDATE',
            [secrets.ring().prefix, after, after],
        )
        return list(cursor.fetchall())


def _rotate_row(column: Column, pk: int, stored: str, found: Rotated) -> None:
    try:
        renewed = secrets.ring().encrypt(secrets.ring().decrypt(stored))
    except secrets.SecretUnreadable as error:
        found.unreadable[pk] = str(error)
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{column.table}" SET "{column.column}" = %s WHERE "{column.pk}" = %s AND "{column.column}" = %s',
            [renewed, pk, stored],
        )
        found.rotated += cursor.rowcount
