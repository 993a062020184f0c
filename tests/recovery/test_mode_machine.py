"""Modes and restarts against a small pure model: crashes, restarts, explanations, operators and time in any order.

Time is the database's, so it passes by moving everything that has happened into the past.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerts import modes
from alerts.models import Crash, Mode, ModeChange, Process
from alerts.recovery import evaluation
from tests import machines
from tests.machines import SOME, nth
from tests.recovery.crashes import database_now

WINDOW, LONG, THRESHOLD, QUIET = 300, 1800, 5, 400
LIMITS = {
    "RECOVERY_CRASH_THRESHOLD": THRESHOLD,
    "RECOVERY_CRASH_WINDOW_SECONDS": float(WINDOW),
    "RECOVERY_CRASH_LONG_WINDOW_SECONDS": float(LONG),
    "RECOVERY_AUTO_RESUME_SECONDS": float(QUIET),
}
NODES = (("forward", "f-1"), ("forward", "f-2"), ("web", "w-1"))
_PASS = """
UPDATE alerts_crash SET at = at - %(by)s * interval '1 second',
    restarted_at = restarted_at - %(by)s * interval '1 second';
UPDATE alerts_mode SET since = since - %(by)s * interval '1 second',
    probation_until = probation_until - %(by)s * interval '1 second';
"""


@dataclass
class Death:
    """A crash as the model knows it: model times in seconds."""

    node: tuple[str, str]
    at: float
    back_at: float | None = None
    is_explained: bool = False


class ModeMachine(RuleBasedStateMachine):
    """Every step of the product is followed by a look of evaluation, as a guard makes one each second."""

    @initialize()
    def begin(self) -> None:
        Crash.objects.all().delete()
        ModeChange.objects.all().delete()
        Mode.objects.update(mode="normal", since=database_now(), reason="", actor="", probation_until=None)
        evaluation._told.clear()
        Process.objects.all().delete()
        now = database_now()
        Process.objects.create(role="forward", node="f-1", pid=1, started_at=now, last_seen_at=now)
        self.clock = 0.0
        self.deaths: dict[str, Death] = {}  # by id, in the order in which they happened
        self.mode, self.actor, self.since, self.probation_until = "normal", "", 0.0, -1.0
        self.changes: list[tuple[str, str, str]] = []  # from, to, actor

    # What happens

    @rule(node=st.sampled_from(NODES))
    def dies_and_comes_back(self, node: tuple[str, str]) -> None:
        self.dies(node)
        self.comes_back()

    @rule(node=st.sampled_from(NODES))
    def keeps_crashing(self, node: tuple[str, str]) -> None:
        for _ in range(THRESHOLD):
            self.dies_and_comes_back(node)

    @rule(node=st.sampled_from(NODES))
    def dies(self, node: tuple[str, str]) -> None:
        self.passes(1)
        row = Crash.objects.create(role=node[0], node=node[1], kind="process")
        self.deaths[str(row.pk)] = Death(node, self.clock)

    @precondition(lambda self: any(death.back_at is None for death in self.deaths.values()))
    @rule()
    def comes_back(self) -> None:
        self.passes(1)
        pk = next(pk for pk, death in self.deaths.items() if death.back_at is None)
        Crash.objects.filter(pk=pk).update(restarted_at=database_now())
        self.deaths[pk].back_at = self.clock
        self.look()

    @precondition(lambda self: self.deaths)
    @rule(death=SOME)
    def is_explained(self, death: int) -> None:
        pk = nth(list(self.deaths), death)
        Crash.objects.filter(pk=pk).update(explained="event m")
        self.deaths[pk].is_explained = True
        self.look()

    @rule(mode=st.sampled_from(["normal", "degraded"]))
    def operator_says(self, mode: str) -> None:
        self.passes(1)
        changed = modes.set_mode(mode, "because", "ada")
        assert bool(changed) == (mode != self.mode or self.actor == modes.RECOVERY)
        if changed:
            self._change(mode, "ada", -1.0)
        self.look()

    @rule(seconds=st.sampled_from([20, WINDOW - 10, QUIET + 5, LONG]))
    def time_passes(self, seconds: int) -> None:
        self.passes(seconds)
        self.look()

    @precondition(lambda self: (self.mode, self.actor) == ("degraded", modes.RECOVERY))
    @rule()
    def is_quiet(self) -> None:
        self.time_passes(QUIET + 5)

    @precondition(lambda self: self.probation_until > self.clock)
    @rule()
    def relapses(self) -> None:
        self.dies_and_comes_back(NODES[1])

    # The product's part, and the model's

    def passes(self, seconds: float) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_PASS, {"by": seconds})
        Process.objects.update(last_seen_at=database_now())
        self.clock += seconds

    def look(self) -> None:
        evaluation.evaluate()
        if self.mode == "normal" and self._must_switch():
            self._change("degraded", modes.RECOVERY, -1.0)
        if self._is_quiet():
            self._change("normal", modes.RECOVERY, self.clock + QUIET)

    def _must_switch(self) -> bool:
        on_probation = self.probation_until > self.clock
        for node in NODES[:2]:
            ages = [self.clock - death.back_at for death in self._counted(node) if death.back_at is not None]
            recent, longer = sum(age < WINDOW for age in ages), sum(age < LONG for age in ages)
            if recent >= THRESHOLD or longer > THRESHOLD or (longer and on_probation):
                return True
        return False

    def _counted(self, node: tuple[str, str]) -> list[Death]:
        of_node = [death for death in self.deaths.values() if death.node == node and death.back_at is not None]
        return [death for death in of_node if not death.is_explained and death.at > self.since]

    def _is_quiet(self) -> bool:
        if (self.mode, self.actor) != ("degraded", modes.RECOVERY) or self.clock - self.since < QUIET:
            return False
        last = [max(death.at, death.back_at or 0.0) for death in self.deaths.values() if death.node[0] == "forward"]
        return all(self.clock - at >= QUIET for at in last)

    def _change(self, mode: str, actor: str, probation_until: float) -> None:
        self.changes.append((self.mode, mode, actor))
        self.mode, self.actor, self.since, self.probation_until = mode, actor, self.clock, probation_until

    @invariant()
    def the_mode_and_its_history_are_the_model_s(self) -> None:
        now = modes.current()
        assert (now.mode, now.actor) == (self.mode, self.actor)
        told = ModeChange.objects.order_by("id").values_list("from_mode", "to_mode", "actor")
        assert list(told) == self.changes

    @invariant()
    def a_change_by_crashes_names_them(self) -> None:
        for crashes in ModeChange.objects.filter(to_mode="degraded", actor=modes.RECOVERY).values_list("crashes"):
            named = [self.deaths[pk] for pk in crashes[0]]
            assert named
            assert len({death.node for death in named}) == 1
            assert named[0].node[0] == "forward"


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_the_mode_follows_from_what_crashed_and_what_operators_said(settings: Any) -> None:
    settings.ENV = settings.ENV | LIMITS
    machines.run(ModeMachine, examples=25, steps=40)
