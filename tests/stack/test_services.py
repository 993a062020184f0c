"""The services of a test session: shared, respected when named, and gone when their session is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.services import start_services

from .harness import ROOT, assert_gone, clean_environ, eventually

SESSION = """
import sys, time
from pathlib import Path
from tests.services import start_services
services = start_services(Path(sys.argv[1]), durable=False)
print(services.database_url, services.broker_url, flush=True)
time.sleep(1000)
"""


def test_services_that_the_environment_names_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/x")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere/0")
    services = start_services(tmp_path / "data")
    services.stop()
    assert (services.database_url, services.broker_url) == ("postgresql://elsewhere/x", "redis://elsewhere/0")
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_only_what_is_not_named_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/x")
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    services = start_services(tmp_path / "data")
    try:
        assert services.database_url == "postgresql://elsewhere/x"
        assert services.broker_url.startswith("redis://:")
        assert not (tmp_path / "data/postgres").exists()
    finally:
        services.stop()
        services.stop()


@pytest.mark.slow
def test_the_services_of_a_killed_session_end(tmp_path: Path) -> None:
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(tmp_path / "data")],
        cwd=ROOT,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert session.stdout
    assert session.stdout.readline().startswith("postgresql://")
    left = psutil.Process(session.pid).children(recursive=True)
    assert len(left) >= 4

    os.kill(session.pid, signal.SIGKILL)
    session.wait()

    eventually(lambda: not any(process.is_running() for process in left))
    assert_gone(left)


@pytest.mark.slow
def test_services_that_cannot_start_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    (tmp_path / "data").touch()
    with pytest.raises(RuntimeError, match=r"the test services do not start: rudderproj: DATA_DIR .*: File exists"):
        start_services(tmp_path / "data")
