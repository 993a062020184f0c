"""A beat that drops what its handler raises ends all the same."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# As Celery's command does it, with a scheduler in which what the handler raises is lost: as in a destructor.
BEAT = """
import contextlib, time
from celery.apps.beat import Beat
from celery.beat import Scheduler
from rudderproj.celery import app

class Deaf(Scheduler):
    def tick(self, **_):
        print("ticks", flush=True)
        with contextlib.suppress(SystemExit):
            time.sleep(1)
        return 0

Beat(app=app, scheduler_cls=Deaf, quiet=True).run()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_beat_that_loses_the_exit_that_its_handler_raised_ends_with_its_next_round(
    process_env: dict[str, str], number: signal.Signals
) -> None:
    command = [sys.executable, "-u", "-c", BEAT]
    with subprocess.Popen(command, env=process_env, stdout=subprocess.PIPE, text=True) as beat:
        assert beat.stdout
        while beat.stdout.readline() != "ticks\n":
            pass
        os.kill(beat.pid, number)
        try:
            assert beat.wait(20) == 0
        finally:
            beat.kill()
