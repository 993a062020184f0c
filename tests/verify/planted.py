"""Bugs that such pipelines have, each as a change to the product's code, to be planted in a copy. Never shipped.

Each piece of code to replace must be there exactly once, so that a bug cannot quietly stop being one.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack import ROOT

PARTS = ("rudderproj", "ingest", "destinations", "alerts")


@dataclass(frozen=True)
class Edit:
    """In the file, `old` becomes `new`."""

    file: str
    old: str
    new: str


ACKNOWLEDGE_BEFORE_COMMIT = (
    Edit(
        "ingest/log.py",
        "        try:\n            stored = self._insert([e for r",
        "        for request in group:\n            request.stored.set_result(len(request.events))\n"
        "        try:\n            stored = self._insert([e for r",
    ),
    Edit("ingest/log.py", "            request.stored.set_result(stored)\n", "            pass\n"),
)
READ_PAST_UNCOMMITTED = (
    Edit(
        "destinations/servable.py",
        'HORIZON = "(SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)"',
        f'HORIZON = "{2**62}"',
    ),
)
# The deadline and the token each stop a holder that wakes up late, so both have to go.
SKIP_THE_LEASE_TOKEN = (
    Edit("destinations/lease.py", "return self.remaining > 0", "return True"),
    Edit("destinations/lease.py", "return self.deadline - clock()", "return self._seconds"),
    Edit("destinations/lease.py", 'raise LeaseLost("not renewed")', "pass"),
    Edit(
        "destinations/lanes.py",
        '_VALID = "SELECT id FROM destinations_claim WHERE id = %(token)s AND expires_at > clock_timestamp()"',
        '_VALID = "SELECT %(token)s::bigint AS id WHERE true"',
    ),
    Edit("destinations/lanes.py", "WHERE l.id = v.id AND l.claim_id = fence.id", "WHERE l.id = v.id"),
)
DROP_ON_503 = (
    Edit(
        "destinations/outcome.py",
        "    status = answer.status\n    if status is None",
        "    status = answer.status\n    if status == 503:\n        return Outcome.DELIVERED\n    if status is None",
    ),
)
ADVANCE_OVER_A_FAILURE = (
    Edit(
        "destinations/settle.py",
        "        attempts = owed.attempts + 1\n        since =",
        "        owed.lane.progress.settle(owed.place)\n        return False\n"
        "        attempts = owed.attempts + 1\n        since =",
    ),
)
FORGET_A_HELD_USER = (
    Edit(
        "destinations/reader.py",
        "AND EXISTS (\n    SELECT FROM destinations_delivery d\n    WHERE d.connection_id = found.connection_id",
        "AND EXISTS (\n    SELECT FROM destinations_delivery d\n"
        "    WHERE false AND d.connection_id = found.connection_id",
    ),
)

NOT_WAIT_FOR_AN_ANSWER = (  # each event is a user of its own to who sends
    Edit("destinations/reader.py", "return (self.lane.id, self.user_key)", "return (self.lane.id, self.message_id)"),
)


def plant(edits: tuple[Edit, ...], folder: Path) -> Path:
    """A copy of the product with these changes."""
    copy = folder / "copy"
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "static"))
    (copy / "rudderproj" / "static").symlink_to(ROOT / "rudderproj" / "static")
    shutil.copy(ROOT / "manage.py", copy)
    for edit in edits:
        file = copy / edit.file
        text = file.read_text()
        assert text.count(edit.old) == 1, f"{edit.file}: {text.count(edit.old)} times {edit.old!r}"
        file.write_text(text.replace(edit.old, edit.new))
    return copy
