"""Links, breaker, retries, dead letters and replays against what must hold whatever comes first.

Real links at a real destination that fails, goes away and comes back. What must hold: every accepted event is in one
place, each user's are sent in order, and once the destination is well again nothing is owed.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from destinations import actions
from destinations.forward import Forwarder
from destinations.models import Replay
from destinations.oracle.script import OK, reply
from destinations.oracle.sink import Sink
from tests import machines
from tests.forwarding.workers import limits
from tests.forwarding.world import World, make_world
from tests.replay import replays

_NAMES = count()
USERS = ["a", "b", "mate63", "c"]  # b and mate63 share a lane
BUSY = {"status": 429, "retry_after": "600"}  # the event is not due before the machine says so
ANSWERS: list[list[Any]] = [[], [], [503, 200], [503, 503, 503, 200], [BUSY, 200], ["reset", 200], [400, 200], [400]]
LIMITS = limits(budget_seconds=0.4)


class ForwardMachine(RuleBasedStateMachine):
    """One destination of one source."""

    @initialize()
    def begin(self) -> None:
        self.sink = Sink()
        self.sink.__enter__()
        self.world: World = make_world(self.sink, f"hook-{next(_NAMES)}")
        self.forwarder = Forwarder(LIMITS)
        self.replays: list[Replay] = []
        self.letters: list[tuple[int, set[str]]] = []  # of each replay: arrivals before it, and what it is to send
        self.is_away = self.is_paused = False

    @rule(user=st.sampled_from(USERS), scripts=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=4))
    def accepts(self, user: str, scripts: Sequence[list[Any]]) -> None:
        for answers in scripts:
            self.world.append(user, f"{self.world.destination.name}-{user}-{next(_NAMES)}", answers=answers)

    @rule()
    def links(self) -> None:
        before = len(self.sink.arrivals)
        self.forwarder.forward(self.world.destination.pk)
        assert not self.is_paused or len(self.sink.arrivals) == before

    @rule(status=st.sampled_from([503, 429, 401]))
    def destination_fails(self, status: int) -> None:
        self.sink.everyone = reply(status)

    @precondition(lambda self: not self.is_away)
    @rule()
    def destination_goes_away(self) -> None:
        self.sink.refuse_connections()
        self.is_away = True

    @rule()
    def destination_is_well_again(self) -> None:
        self.sink.everyone = None
        if self.is_away:
            self.sink.accept_connections()
            self.is_away = False

    @rule()
    def waits_are_over(self) -> None:
        """A probe may be made and retries are due, without anybody waiting for it."""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE destinations_health SET probe_at = now() WHERE breaker <> 'closed'")
            cursor.execute("UPDATE destinations_delivery SET next_attempt_at = now() WHERE state = 'failed'")

    @rule(pause=st.booleans())
    def operator_acts(self, pause: bool) -> None:
        if pause:
            actions.pause([self.world.destination.pk], "ada")
        else:
            actions.resume([self.world.destination.pk], "ada")
        self.is_paused = pause

    @precondition(lambda self: len(self.replays) < 3 and self.world.rows(state="aborted", replay=0))
    @rule()
    def dead_letters_are_replayed(self) -> None:
        letters = {row.message_id for row in self.world.rows(state="aborted", replay=0)}
        self.letters.append((len(self.sink.arrivals), letters))
        self.replays.append(replays.start(self.world, origin=replays.DEAD_LETTERS))

    @invariant()
    def every_event_is_in_one_place(self) -> None:
        terms = self.world.balance()
        assert terms["difference"] == 0, terms
        assert terms["accepted"] == sum(map(len, self.world.accepted.values()))
        assert terms["aborted"] == terms["dead_letters"]

    @invariant()
    def each_user_is_sent_in_order(self) -> None:
        report = self.world.report()
        assert (report.out_of_order, report.unexpected) == ([], [])

    @invariant()
    def what_was_delivered_is_done_with(self) -> None:
        """It is no dead letter, and sent again only where several replays were to send it."""
        replayed = Counter(letter for _, letters in self.letters for letter in letters)
        delivered = Counter[str]()
        for arrival in self.sink.arrivals:
            assert delivered[arrival.message_id] < max(1, replayed[arrival.message_id])
            delivered[arrival.message_id] += arrival.reply == OK
        assert {row.message_id for row in self.world.rows(state="aborted", replay=0)}.isdisjoint(+delivered)

    def teardown(self) -> None:
        try:
            self._everything_ends_well()
        finally:
            self.forwarder.close()
            self.sink.__exit__(None, None, None)

    def _everything_ends_well(self) -> None:
        """The destination is well for good, and an operator lets it be sent to."""
        self.destination_is_well_again()
        self.operator_acts(pause=False)
        for _ in range(30):
            self.waits_are_over()
            self.links()
            if self.world.is_settled() and all(replays.is_finished(replay) for replay in self.replays):
                break
        else:
            raise AssertionError(self.world.balance())
        self.every_event_is_in_one_place()
        self.each_user_is_sent_in_order()
        self.what_was_delivered_is_done_with()
        assert self.world.report().lost == []
        assert self.world.health().breaker == "closed"
        for before, letters in self.letters:
            assert letters <= set(self.sink.ids()[before:])


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_order_and_completeness_hold_whatever_the_destination_does_and_operators_do() -> None:
    machines.run(ForwardMachine, examples=15, steps=25)
