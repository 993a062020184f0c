"""Copies against a small pure model: batches, failed transactions and midnight in any order; each id is stored once."""

from itertools import count

from django.db.models import Count
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest.hashing import lane_of
from ingest.models import Event, Source
from ingest.statements import NewEvent, insert_events
from tests import machines
from tests.ingest_log.test_midnight import at

_NAMES = count()
DAY = 86_400
IDS = st.lists(st.sampled_from([f"m{number}" for number in range(6)]), min_size=1, max_size=4)


class DedupMachine(RuleBasedStateMachine):
    """Seconds are counted from the midnight between today and tomorrow."""

    raw: Connection

    @initialize(start=st.sampled_from([-DAY + 1.0, -3600.0, -59.0, -0.5]))
    def begin(self, start: float) -> None:
        self.source = Source.objects.create(name=f"web-{next(_NAMES)}", write_key=f"WK{next(_NAMES)}")
        self.clock = start
        self.stored: dict[str, float] = {}

    @rule(ids=IDS)
    def sends(self, ids: list[str]) -> None:
        new = set(ids) - set(self.stored)
        assert insert_events(self.raw, self._events(ids), at(self.clock)) == len(new)
        self.stored |= dict.fromkeys(new, self.clock)

    @rule(ids=IDS)
    def sends_in_vain(self, ids: list[str]) -> None:
        self.raw.autocommit = False
        try:
            assert insert_events(self.raw, self._events(ids), at(self.clock)) == len(set(ids) - set(self.stored))
            self.raw.rollback()
        finally:
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
        rows = Event.objects.filter(source_id=self.source.pk).values_list("message_id", "day")
        first = min((day for _, day in rows), default=None)
        assert rows.count() == rows.aggregate(ids=Count("message_id", distinct=True))["ids"] == len(self.stored)
        if len({day for _, day in rows}) == 2:
            assert {name for name, day in rows if day == first} == {name for name, at in self.stored.items() if at < 0}

    def _events(self, ids: list[str]) -> list[NewEvent]:
        return [NewEvent(self.source.pk, name, lane_of("u"), "u", "{}") for name in ids]


def test_an_id_is_stored_once_whatever_day_its_copies_come(raw: Connection) -> None:
    machines.run(type("Machine", (DedupMachine,), {"raw": raw}), examples=40, steps=25)
