"""What judges crashes must not import what crashes."""

import json
import subprocess
import sys

import pytest

from tests.services import ROOT

# Run as `python -m MODULE` would, then tell which top-level packages that brought in.
LOOK = """
import json, runpy, sys
sys.argv = [sys.argv[1], *sys.argv[2:]]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=False)
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def brought_in(environ: dict[str, str], *command: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *command],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.usefixtures("committed")
def test_the_evaluation_of_restarts_imports_nothing_that_forwards_or_accepts(process_env: dict[str, str]) -> None:
    environ = process_env | {"DJANGO_SETTINGS_MODULE": "alerts.recovery.settings"}
    found = brought_in(environ, "alerts.recovery")
    assert "alerts" in found
    assert found.isdisjoint({"destinations", "ingest", "rest_framework", "granian", "sentry_sdk"})


def test_a_guard_imports_neither_django_nor_an_app(process_env: dict[str, str]) -> None:
    code = (
        "import json, sys; import rudderproj.guard.guard, rudderproj.guard.store;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=process_env, stdout=subprocess.PIPE, check=True)
    found = set(json.loads(done.stdout))
    assert "psycopg2" in found
    assert found.isdisjoint({"django", "celery", "alerts", "ingest", "destinations", "structlog"})
