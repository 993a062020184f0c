"""The supervisor starts what has ended in the turn in which it sees that, and not once everything is to end."""

import signal
from types import SimpleNamespace

import pytest
from supervisor import supervisord
from supervisor.states import SupervisorStates

from rudderproj.stack.supervisord import _handle_signal_and_start


@pytest.mark.parametrize(
    ("received", "mood"), [(None, SupervisorStates.RUNNING), (signal.SIGTERM, SupervisorStates.SHUTDOWN)]
)
def test_programs_are_looked_at_after_the_signal_was_heard(received: int | None, mood: int) -> None:
    seen: list[int] = []
    logger = SimpleNamespace(warn=lambda _line: None, blather=lambda _line: None)
    options = SimpleNamespace(get_signal=lambda: received, mood=SupervisorStates.RUNNING, logger=logger)
    supervisor = supervisord.Supervisor(options)
    supervisor.process_groups = {"work": SimpleNamespace(transition=lambda: seen.append(options.mood))}

    _handle_signal_and_start(supervisor)

    assert seen == [mood]
