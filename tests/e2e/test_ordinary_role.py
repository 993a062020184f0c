"""The product as a database role that owns its database and may do nothing else: as an operator or a provider gives it.

Every other test connects as the superuser that initdb makes. Here one only makes what an operator makes, and dumps and
restores as restore.md says for Kubernetes.
"""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest

from tests.docs.pages import ROOT
from tests.e2e.sink import Sink
from tests.e2e.stack import Stack
from tests.services import VARIABLES, start_services
from tests.stack.harness import clean_environ, eventually

ROLE, PASSWORD = "app", "of-the-tests"
# Many more than a restore takes: the log must lie ahead of the cluster that it comes to.
IDS = 5000
PROCESSES = ("web", "forward", "alerts")
DENIED = re.compile("permission denied|must be (owner|superuser|a member|able)|[Oo]nly (superusers|roles)")

MAY = """
SELECT rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls
    OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
FROM pg_roles r WHERE rolname = current_user
"""
CLOSED_DAY = "SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date - 10)"
VACUUMED = """
SELECT vacuum_count, obj_description(relid, 'pg_class') FROM pg_stat_user_tables
WHERE relname = to_char((now() AT TIME ZONE 'UTC')::date - 10, '"ingest_event_"YYYYMMDD')
"""
OWNERS = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL and a broker of one test's own. `app` connects as the role, `superuser` to the same database."""

    superuser: str
    app: str
    broker: str
    log: Path

    def client(self, program: str, *arguments: str) -> None:
        """Run a program that came with this very server."""
        with contextlib.closing(psycopg2.connect(self.superuser)) as raw:
            server = Path(psutil.Process(raw.info.backend_pid).exe())
        subprocess.run([server.with_name(program), *arguments], check=True)

    def denied(self) -> list[str]:
        """What the server has refused, also where nobody looked at the answer: VACUUM only warns."""
        return [line for line in self.log.read_text().splitlines() if DENIED.search(line)]


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """With a role and an empty database of its own, as CloudNativePG's `initdb` makes them."""
    services = start_services(folder, int(os.environ.get("TEST_POSTGRES_MAJOR", "18")), durable=False)
    try:
        server = urlsplit(services.database_url)
        ask(services.database_url, f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        ask(services.database_url, f"CREATE DATABASE {ROLE} OWNER {ROLE}")
        own = server._replace(path=f"/{ROLE}")
        app = own._replace(netloc=f"{ROLE}:{PASSWORD}@{server.hostname}:{server.port}")
        yield Cluster(own.geturl(), app.geturl(), services.broker_url, folder / "logs/postgres.log")
    finally:
        services.stop()


@contextlib.contextmanager
def product(on: Cluster, folder: Path) -> Iterator[Stack]:
    folder.mkdir()
    stack = Stack(clean_environ(DATABASE_URL=on.app, CELERY_BROKER_URL=on.broker), folder)
    try:
        yield stack
    finally:
        stack.close()


def ask(url: str, statement: str, times: int = 1) -> list[tuple[Any, ...]]:
    """A statement in a transaction of its own, so many times; its rows."""
    with contextlib.closing(psycopg2.connect(url)) as raw, raw.cursor() as cursor:
        raw.autocommit = True
        for _ in range(times):
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def send(stack: Stack, sink: Sink, numbers: range) -> None:
    """Events of one user, accepted, and at the sink in their order after all that came before."""
    for number in numbers:
        event = {"userId": "u", "event": "n", "messageId": f"role-{number}", "properties": {"n": number}}
        assert stack.post("/v1/track", event).status == 200
    arrived = [one.body["properties"]["n"] for one in sink.wait(numbers.stop)]
    assert arrived == list(range(numbers.stop))


def balance(stack: Stack) -> tuple[int, int, int]:
    (counts,) = json.loads(stack.manage("status", "--json"))["connections"]
    return counts["accepted"], counts["delivered"], counts["difference"]


@pytest.mark.slow
def test_a_role_that_owns_its_database_alone_runs_the_product_and_what_is_restored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sink: Sink
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    dump = tmp_path / "events.dump"
    page = (ROOT / "docs/howto/restore.md").read_text()
    restoring = re.search(r"pg_restore (--exit-on-error .*) -d rudderproj < events.dump", page)
    assert restoring

    with cluster(tmp_path / "lost") as lost, product(lost, tmp_path / "before") as stack:
        assert ask(lost.app, MAY) == [(True, False)]
        stack.manage("migrate", "--no-input", "-v0")
        ask(lost.app, "SELECT pg_current_xact_id()", times=IDS)
        stack.connect(sink.url)
        stack.start(*PROCESSES)
        send(stack, sink, range(5))
        ask(lost.app, CLOSED_DAY)
        stack.manage("upkeep")
        assert ask(lost.app, VACUUMED) == [(1, "rudderproj: frozen")]
        stack.manage("forget", "--user", "somebody", "--yes")
        assert eventually(lambda: balance(stack)[1] == 5)
        assert balance(stack) == (5, 5, 0)
        stack.close()
        lost.client("pg_dump", "-Fc", "-f", str(dump), "-d", lost.superuser)
        assert lost.denied() == []

    with cluster(tmp_path / "fresh") as fresh, product(fresh, tmp_path / "after") as stack:
        options = restoring[1].replace("rudderproj", ROLE).split()
        fresh.client("pg_restore", *options, "-d", fresh.superuser, str(dump))
        assert ask(fresh.app, OWNERS) == [(ROLE,)]
        assert stack.manage("rebase") == "the event log is this cluster's own now\n"
        stack.manage("migrate", "--no-input", "-v0")
        stack.start(*PROCESSES)
        send(stack, sink, range(5, 10))
        assert eventually(lambda: balance(stack)[1] == 10)
        assert balance(stack) == (10, 10, 0)
        assert fresh.denied() == []
