"""What a worker loads before it forwards: whoever waits for it after a kill waits for that too."""

import json
import subprocess
import sys

from destinations.doorbell import LINK
from destinations.tasks import SWEEP
from tests.services import ROOT

# As `celery worker` does it, up to the fork of its pool.
LOOK = """
import json, sys
from rudderproj.celery import app
app.loader.import_default_modules()
import destinations.forward
print(json.dumps([sorted(sys.modules), sorted(app.tasks)]))
"""


PAGES = ("django.contrib.admin", "unfold", "rest_framework.views", "drf_spectacular", "whitenoise", "rudderproj.urls")


def test_a_worker_loads_every_task_and_nothing_of_pages(process_env: dict[str, str]) -> None:
    environ = {name: value for name, value in process_env.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=environ, stdout=subprocess.PIPE, check=True)

    modules, tasks = json.loads(done.stdout.splitlines()[-1])

    assert {LINK, SWEEP, "ingest.upkeep", "alerts.check"} <= set(tasks)
    assert set(PAGES) & set(modules) == set()
