"""Copies against a small pure model: batches, failed transactions and midnight in any order.

Each id of a source is stored once.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count

import pytest
from django.db import connection as database
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest.hashing import lane_of
from ingest.models import Event, Source
from ingest.statements import NewEvent, insert_events
from rudderproj import db
from tests import machines
from tests.ingest_log.test_midnight import at

_NAMES = count()
DAY = 86_400
IDS = st.lists(st.sampled_from(["a1", "a2", "b1"]), min_size=1, max_size=4)  # source, message id


class DedupMachine(RuleBasedStateMachine):
    """Seconds are counted from the midnight between today and tomorrow."""

    raw: Connection
    other: Connection

    @initialize(start=st.sampled_from([-DAY + 1.0, -3600.0, -3600.0, -0.5]))
    def begin(self, start: float) -> None:
        self.sources = {
            name: Source.objects.create(name=f"{name}-{next(_NAMES)}", write_key=f"WK{next(_NAMES)}").pk
            for name in "ab"
        }
        self.clock = start
        self.stored: dict[str, float] = {}

    @rule(ids=IDS)
    def sends(self, ids: list[str]) -> None:
        new = set(ids) - set(self.stored)
        assert insert_events(self.raw, self._events(ids), at(self.clock)) == len(new)
        self.stored |= dict.fromkeys(new, self.clock)

    @rule(ids=IDS)
    def sends_in_vain(self, ids: list[str]) -> None:
        with self._transaction():
            assert insert_events(self.raw, self._events(ids), at(self.clock)) == len(set(ids) - set(self.stored))

    @precondition(lambda self: self.clock < 0)
    @rule(ids=IDS, copies=IDS, is_in_vain=st.booleans())
    def sends_on_both_sides_of_midnight(self, ids: list[str], copies: list[str], is_in_vain: bool) -> None:
        """Who comes after midnight cannot see what is still on its way from before, and waits for it."""
        new = set(ids) - set(self.stored)
        with ThreadPoolExecutor(1) as pool, self._transaction():
            assert insert_events(self.raw, self._events(ids), at(-0.25)) == len(new)
            coming = pool.submit(insert_events, self.other, self._events(copies), at(0.25))
            while not coming.done() and not _waits(self.other):
                pass
            if not is_in_vain:
                self.raw.commit()
                self.stored |= dict.fromkeys(new, -0.25)
        new = set(copies) - set(self.stored)
        assert coming.result() == len(new)
        self.clock = 0.25
        self.stored |= dict.fromkeys(new, self.clock)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One that comes to nothing, unless it is committed before its end."""
        self.raw.autocommit = False
        try:
            yield
        finally:
            self.raw.rollback()
            self.raw.autocommit = True

    @precondition(lambda self: self.clock < DAY - 1)
    @rule(seconds=st.sampled_from([0.5, 1.0, 58.0, 61.0, 3600.0, DAY / 2]))
    def time_passes(self, seconds: float) -> None:
        self.clock = min(self.clock + seconds, DAY - 1)

    @precondition(lambda self: self.clock != 0)
    @rule()
    def midnight_comes_close(self) -> None:
        self.clock = max(self.clock, -0.25)

    @invariant()
    def each_id_is_stored_once_on_the_day_it_came(self) -> None:
        rows = [
            (name + message_id, day)
            for name, source in self.sources.items()
            for message_id, day in Event.objects.filter(source_id=source).values_list("message_id", "day")
        ]
        assert sorted(name for name, _ in rows) == sorted(self.stored)
        if len({day for _, day in rows}) == 2:
            first = min(day for _, day in rows)
            assert {name for name, day in rows if day == first} == {name for name, at in self.stored.items() if at < 0}

    def _events(self, ids: list[str]) -> list[NewEvent]:
        return [NewEvent(self.sources[name[0]], name[1:], lane_of("u"), "u", "{}") for name in ids]


def _waits(raw: Connection) -> bool:
    with database.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pid = %s", [raw.info.backend_pid])
        return cursor.fetchone() is not None


@pytest.fixture
def machine(raw: Connection) -> Iterator[type[DedupMachine]]:
    with closing(db.connect("tests", 30)) as other:
        yield type("Machine", (DedupMachine,), {"raw": raw, "other": other})


def test_an_id_is_stored_once_whatever_day_its_copies_come(machine: type[DedupMachine]) -> None:
    machines.run(machine, examples=60, steps=25)
