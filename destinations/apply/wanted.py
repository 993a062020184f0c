"""What a file asks for, checked and complete: the common form of both file formats."""

from dataclasses import dataclass, field
from typing import Any


class InputError(Exception):
    """The file cannot be applied. `problems` holds one line each, beginning with the path in the file."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class WantedSource:
    """A source. `write_key` None: keep the one it has, or make one."""

    path: str
    name: str
    write_key: str | None
    fields: dict[str, Any]  # enabled, rate_limit, user_key


@dataclass(frozen=True, slots=True)
class WantedDestination:
    """A destination. `sources` None: leave its connections alone."""

    path: str
    name: str
    fields: dict[str, Any]  # type, config, enabled, rate_limit, max_concurrency, retry, event_filter
    sources: list[str] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A whole file. `notes` tell what it contains that could not be taken."""

    sources: list[WantedSource] = field(default_factory=list)
    destinations: list[WantedDestination] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
