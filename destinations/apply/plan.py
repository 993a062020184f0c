"""What differs between a file and the database: lines to read, and rows to write.

Must never write: `run` in this package does, with the plan it gets from here in the same transaction.
"""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

from destinations.apply.difference import lines
from destinations.apply.document import at
from destinations.apply.wanted import InputError, Wanted, WantedDestination, WantedSource
from destinations.models import Connection, Destination
from ingest.keys import new_write_key
from ingest.models import Source


@dataclass(frozen=True, slots=True)
class Write:
    """A row to write. `fields` None: it is new."""

    row: Model
    fields: list[str] | None


@dataclass(slots=True)
class Plan:
    """Empty when the database is as the file says. Secrets are masked in the lines."""

    lines: list[str] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)


def plan(wanted: Wanted, prune: bool) -> Plan:
    """Compare with the database. Raises InputError for what only the database can tell is wrong."""
    return _Planning(prune).plan(wanted)


class _Planning:
    """One comparison; rows by name, including those that are about to be made."""

    def __init__(self, prune: bool) -> None:
        self.prune = prune
        self.result = Plan()
        self.problems: list[str] = []
        self.sources = {source.name: source for source in Source.objects.order_by("name")}
        self.destinations = {destination.name: destination for destination in Destination.objects.order_by("name")}
        self.connections = {(c.source_id, c.destination_id): c for c in Connection.objects.all()}
        self.owners = {
            key: source.name
            for source in self.sources.values()
            for key in (source.write_key, source.previous_write_key)
            if key
        }

    def plan(self, wanted: Wanted) -> Plan:
        for source in wanted.sources:
            self.source(source)
        for destination in wanted.destinations:
            self.destination(destination)
        if self.prune:
            self.disable_unnamed("source", self.sources, {source.name for source in wanted.sources})
            self.disable_unnamed("destination", self.destinations, {item.name for item in wanted.destinations})
        for destination in wanted.destinations:
            self.connect(destination)
        if self.problems:
            raise InputError(self.problems)
        return self.result

    def source(self, wanted: WantedSource) -> None:
        owner = self.owners.get(wanted.write_key or "")
        if owner is not None and owner != wanted.name:
            self.problems.append(f"{at(wanted.path, 'write_key')}: already the write key of source {owner!r}")
        row = self.sources.setdefault(wanted.name, Source(name=wanted.name))
        key = wanted.write_key or row.write_key or new_write_key()
        self.compare("source", row, wanted.fields | {"write_key": key})

    def destination(self, wanted: WantedDestination) -> None:
        row = self.destinations.setdefault(wanted.name, Destination(name=wanted.name))
        self.compare("destination", row, wanted.fields)

    def compare(self, kind: str, row: Source | Destination, fields: dict[str, Any]) -> None:
        """Set what differs on the row, and note it."""
        changed = {name: value for name, value in fields.items() if row.pk is None or getattr(row, name) != value}
        if not changed:
            return
        self.result.lines += lines(kind, row, changed)
        for name, value in changed.items():
            setattr(row, name, value)
        self.result.writes.append(Write(row, list(changed) if row.pk else None))

    def disable_unnamed(self, kind: str, rows: dict[str, Any], named: set[str]) -> None:
        for name, row in rows.items():
            if name not in named:
                self.compare(kind, row, {"enabled": False})

    def connect(self, wanted: WantedDestination) -> None:
        """Have exactly the named sources connected; others are switched off, since their lanes hold cursors."""
        if wanted.sources is None:
            return
        destination = self.destinations[wanted.name]
        for index, name in enumerate(wanted.sources):
            if name not in self.sources:
                self.problems.append(f"{at(at(wanted.path, 'sources'), index)}: no source named {name!r}")
        for name, source in self.sources.items():
            found = self.connections.get((source.pk, destination.pk))
            if name in wanted.sources and found is None:
                self.result.lines.append(f"+ connection {name} -> {wanted.name}")
                self.result.writes.append(Write(Connection(source=source, destination=destination), None))
            elif found and found.enabled != (name in wanted.sources):
                found.enabled = name in wanted.sources
                change = "false -> true" if found.enabled else "true -> false"
                self.result.lines.append(f"~ connection {name} -> {wanted.name}: enabled: {change}")
                self.result.writes.append(Write(found, ["enabled"]))
