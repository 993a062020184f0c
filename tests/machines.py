"""State machines of Hypothesis: running one as long as a test can afford, and following steps that once failed.

Rules take plain values, so that the steps that Hypothesis prints are Python to be kept: a stored example outlives
changes to its machine, as an entry of Hypothesis's own database does not.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

Item = TypeVar("Item")
Machine = TypeVar("Machine", bound=RuleBasedStateMachine)

SOME = st.integers(0, 11)  # one of what there is then: see nth


def nth(items: Sequence[Item], number: int) -> Item:
    """The one with this number, counted from 0 and round and round."""
    return items[number % len(items)]


def run(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    """Raises what a rule or an invariant raised, with the shortest steps that lead there."""
    chosen = settings(max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=chosen)


@contextmanager
def followed(machine: type[Machine]) -> Iterator[Machine]:
    """A machine for the steps of a stored example, as Hypothesis printed them: each is one that may come there, and
    is followed by the invariants. Torn down at the end, unless the last step did.
    """
    steps = _Steps(machine())
    try:
        yield cast(Machine, steps)
    finally:
        if not steps.is_over:
            steps.teardown()


class _Steps:
    """Stands for a machine, and watches each step as Hypothesis would."""

    def __init__(self, machine: RuleBasedStateMachine) -> None:
        self._machine = machine
        self.is_over = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        def step(**given: Any) -> None:
            for rule in self._machine.rules:
                if rule.function.__name__ == name:
                    assert _may_come(rule, self._machine), f"{name} can no longer come here: store newer steps"
            getattr(self._machine, name)(**given)
            for invariant in self._machine.invariants:
                if _may_come(invariant, self._machine):
                    invariant.function(self._machine)

        return step

    def teardown(self) -> None:
        self.is_over = True
        self._machine.teardown()


def _may_come(step: Any, machine: RuleBasedStateMachine) -> bool:
    return all(condition(machine) for condition in step.preconditions)
