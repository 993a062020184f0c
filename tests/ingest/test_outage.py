"""The database goes away or hangs under a running web process. The broker is away all the time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import psycopg2
import pytest

from .test_server import PATIENCE_SECONDS, eventually
from .web import ROOT, WebProcess

pytestmark = pytest.mark.slow

SOURCE = """
INSERT INTO ingest_source (name, write_key, enabled, user_key, created_at) VALUES ('web', 'WK', true, 'user_id', now())
"""
UNAVAILABLE = (503, b"service unavailable")


@dataclass
class World:
    """A web process with a PostgreSQL of its own, which a supervisor starts again when it ends."""

    web: WebProcess
    url: str
    supervisor: psutil.Process

    def database_processes(self) -> list[psutil.Process]:
        with contextlib.closing(psycopg2.connect(self.url)) as raw:
            postgres = psutil.Process(raw.info.backend_pid).parent()
        assert postgres is not None
        return [postgres, *postgres.children(recursive=True)]

    def message_ids(self) -> list[str]:
        with psycopg2.connect(self.url) as raw, raw.cursor() as cursor:
            cursor.execute("SELECT message_id FROM ingest_event ORDER BY xid, position")
            return [row[0] for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    environ = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    environ |= {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0", "INGEST_COMMIT_TIMEOUT_SECONDS": "1"}
    services = subprocess.Popen(
        [
            *(sys.executable, "-m", "rudderproj.stack", "services", "--print-env", "--until-stdin-closes"),
            *("--no-fsync", "--data-dir", str(tmp_path_factory.mktemp("outage"))),
        ],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert services.stdout is not None
    assert services.stdin is not None
    try:
        lines = dict(line.strip().split("=", 1) for line in iter(services.stdout.readline, "\n") if "=" in line)
        url = lines["DATABASE_URL"]
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environ | {"DATABASE_URL": url}, check=True
        )
        with psycopg2.connect(url) as raw, raw.cursor() as cursor:
            cursor.execute(SOURCE)
            parents = psutil.Process(raw.info.backend_pid).parents()
        supervisor = next(p for p in parents if "supervisord" in " ".join(p.cmdline()))
        web = WebProcess(environ | {"DATABASE_URL": url})
        yield World(web, url, supervisor)
        supervisor.resume()
        web.stop()
    finally:
        services.stdin.close()
        services.wait(90)
        services.stdout.close()


def test_a_database_that_is_gone_is_503_at_once_and_when_it_is_back_events_are_taken_again(world: World) -> None:
    web = world.web
    assert web.track({"userId": "u", "messageId": "before"})[0] == 200

    world.supervisor.suspend()
    for process in world.database_processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    for attempt in range(5):
        status, headers, body = web.track({"userId": "u", "messageId": f"during{attempt}"}, timeout=5)
        assert (status, body, headers["retry-after"]) == (*UNAVAILABLE, "15")
        assert headers["access-control-allow-origin"] == "*"
    assert web.track({"userId": "u"}, key="UNKNOWN")[::2] == UNAVAILABLE
    assert web.get("/ready")[0] == 503
    eventually(lambda: json.loads(web.get("/health")[2])["acceptingEvents"] == "FALSE")

    world.supervisor.resume()
    eventually(lambda: web.track({"userId": "u", "messageId": "after"})[0] == 200)
    eventually(lambda: web.get("/ready")[0] == 200)
    eventually(lambda: json.loads(web.get("/health")[2])["db"] == "UP")
    # A thread that still has the connection of before says 503 once: never that the key is wrong.
    eventually(lambda: web.track({"userId": "u"}, key="UNKNOWN")[::2] == (401, b"invalid write key"))
    assert world.message_ids() == ["before", "after"]


def test_a_database_that_hangs_is_503_and_leaves_probes_and_preflights_alone(world: World) -> None:
    web = world.web
    assert web.track({"userId": "u", "messageId": "first"})[0] == 200
    frozen = world.database_processes()
    for process in frozen:
        with contextlib.suppress(psutil.NoSuchProcess):  # the connection by which they were found has ended
            process.suspend()
    try:
        answers: list[tuple[int, bytes]] = []

        def send() -> None:
            status, _, body = web.track({"userId": "u", "messageId": "during"}, timeout=PATIENCE_SECONDS)
            answers.append((status, body))

        threads = [threading.Thread(target=send) for _ in range(30)]
        for thread in threads:
            thread.start()
        assert web.request("OPTIONS", "/v1/track", timeout=5)[0] == 200
        assert web.request("GET", "/health", timeout=5)[0] == 200
        assert web.request("GET", "/ready", timeout=5)[::2] == (503, b"database does not answer")
        for thread in threads:
            thread.join()
        assert answers == [UNAVAILABLE] * 30
    finally:
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    eventually(lambda: web.track({"userId": "u", "messageId": "last"})[0] == 200)
    eventually(lambda: web.get("/ready")[0] == 200)
    found = world.message_ids()
    assert found.count("during") <= 1  # unknown when it was answered; a copy sent again would be dropped
    assert found[found.index("first") :] == ["first", *["during"] * found.count("during"), "last"]
