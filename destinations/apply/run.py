"""Applying a file: read, compare and write in one transaction.

Must never run twice at once: a lock in the database makes the second wait and find nothing left to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection, transaction

from destinations.apply import document, shape, workspace
from destinations.apply.plan import plan
from destinations.apply.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, or with `dry_run` would be: no lines when nothing differs. `notes`: what was not taken."""

    lines: list[str]
    notes: list[str]


def read(text: str, environ: Mapping[str, str]) -> Wanted:
    """What a file asks for, in either format. Raises InputError."""
    data = document.load(text, environ)
    return workspace.read(data) if workspace.is_workspace(data) else shape.read(data)


def apply(wanted: Wanted, prune: bool = False, dry_run: bool = False) -> Applied:
    """Bring the database to what is wanted. Raises InputError, and then nothing was changed."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('destinations.apply'))")
        found = plan(wanted, prune)
        if not dry_run:
            for write in found.writes:
                write.row.save(force_insert=write.fields is None, update_fields=write.fields)
    return Applied(found.lines, wanted.notes)
