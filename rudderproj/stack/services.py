"""PostgreSQL and Valkey alone: for tests, and for working on one process by hand.

Owns which of the two are embedded. Must never start one for which the environment names another.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import postgres, processes, valkey
from .datadir import DataDir
from .supervise import Program


@dataclass(frozen=True)
class Services:
    """The embedded services of one data folder; either may be missing."""

    database: postgres.Postgres | None
    broker: valkey.Valkey | None

    def environment(self) -> dict[str, str]:
        """The variables through which other processes find them."""
        found = {}
        if self.database:
            found["DATABASE_URL"] = self.database.url()
        if self.broker:
            found["CELERY_BROKER_URL"] = self.broker.url()
        return found

    def programs(self) -> list[Program]:
        found = []
        if self.database:
            command, run_as = self.database.command, self.database.run_as
            # INT: end the sessions of clients instead of waiting for them.
            found.append(Program("postgres", command, "postgres", 10, 60, "INT", gated=False, run_as=run_as))
        if self.broker:
            found.append(Program("valkey", self.broker.command, "valkey", 20, 10, gated=False))
        return found

    def wait(self) -> None:
        """Wait until they answer. Raises StackError if one does not."""
        if self.broker:
            valkey.wait(self.broker)
        if self.database:
            postgres.wait_and_create(self.database)


def end_former_run(data: DataDir) -> None:
    """End what a killed run left behind, before anything looks at ports or files."""
    ended = processes.end_all(data.run, data.marker, patience_seconds=3.0)
    if ended:
        print(f"ended {ended} processes that an earlier run left behind", file=sys.stderr)
    for path in data.run.glob("*.json*"):
        path.unlink()


def prepare(
    data: DataDir, environ: Mapping[str, str], major: int = 18, durable: bool = True, binaries: Path | None = None
) -> Services:
    """Prepare what the environment does not name. Starts nothing."""
    return Services(
        None if environ.get("DATABASE_URL") else postgres.prepare(data, major, durable, binaries),
        None if environ.get("CELERY_BROKER_URL") else valkey.prepare(data),
    )
