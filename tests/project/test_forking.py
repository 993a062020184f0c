"""What a worker does before it forks its pool, in a process of its own: it would change the tests' own collector."""

import json
import subprocess
import sys

LOOK = """
import gc, json, sys
from celery.signals import worker_before_create_process
import rudderproj.celery
import cffi.api
sent = []
for _ in range(2):
    before = gc.get_freeze_count()
    worker_before_create_process.send(None)
    sent.append(gc.get_freeze_count() - before)
print(json.dumps([sent, "pycparser.c_parser" in sys.modules]))
"""


def test_what_was_loaded_is_set_aside_once_and_the_parser_is_made(process_env: dict[str, str]) -> None:
    told = subprocess.run([sys.executable, "-c", LOOK], env=process_env, capture_output=True, text=True, check=True)

    (first, second), has_parser = json.loads(told.stdout)
    assert (first > 10_000, second, has_parser) == (True, 0, True)
