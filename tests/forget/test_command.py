"""`manage.py forget`."""

import io
import json
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from django.core.management import call_command
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.forget.person import pseudonym
from destinations.models import Forgetting, Lane
from ingest.hashing import lane_of
from rudderproj import account, db
from tests.docs.pages import ROOT
from tests.forget.conftest import Store, mentions
from tests.forwarding.workers import eventually, run_once
from tests.forwarding.world import World
from tests.retention.log import counts

ADA = "ada@example.org"


def command(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("forget", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_it_says_what_it_erased_and_never_the_id(world: World, store: Store) -> None:
    store(3, userId=ADA)
    code, out, err = command("--user", ADA, "--yes")
    assert code == 0
    assert out.splitlines()[:3] == [f"{pseudonym(ADA)}: erased", "  devices: 0", "  events: 1"]
    assert ADA not in out + err
    assert "reading 20" in err
    assert Forgetting.objects.get().actor == account.name()


def test_a_dry_run_needs_no_confirmation(world: World, store: Store) -> None:
    store(3, userId=ADA)
    code, out, _ = command("--user", ADA, "--dry-run", "--json")
    assert code == 0
    assert json.loads(out) == {
        "person": pseudonym(ADA),
        "dry_run": True,
        "devices": 0,
        "events": 1,
        "deliveries": 0,
        "given_up": 0,
        "attempts": 0,
        "rejected_events": 0,
        "inbox_deliveries": 0,
        "destinations": 0,
        "replays": 0,
        "suspects": 0,
    }
    assert mentions(ADA) == {"ingest_event": 1}


def test_without_a_terminal_it_must_be_told_yes(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store(3, userId=ADA)
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    code, out, err = command("--user", ADA)
    assert (code, out) == (2, "")
    assert err == "standard input is no terminal: say --yes\nnot confirmed, nothing was erased\n"
    assert mentions(ADA) == {"ingest_event": 1}


@pytest.mark.parametrize(("typed", "code"), [("yes", 0), ("y", 2), ("", 2)])
def test_a_person_is_asked(world: World, store: Store, monkeypatch: pytest.MonkeyPatch, typed: str, code: int) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    store(3, userId=ADA)
    monkeypatch.setattr(sys, "stdin", Terminal(f"{typed}\n"))
    assert command("--user", ADA)[0] == code
    assert mentions(ADA) == ({} if code == 0 else {"ingest_event": 1})


def test_wrong_use_is_said(world: World) -> None:
    assert command("--user", "x", "--source", "nowhere") == (2, "", "no source is named nowhere\n")
    assert command("--user", "", "--yes") == (2, "", "an empty id is nobody's\n")


@pytest.mark.slow
def test_a_command_that_is_killed_is_finished_by_the_next(
    world: World, raw: Connection, process_env: dict[str, str]
) -> None:
    for number in range(5):
        world.append(ADA, f"a{number}", answers=[503], anonymousId=f"device-{number}", userId=ADA)
        world.append(f"device-{number}", f"d{number}", anonymousId=f"device-{number}")
    run_once(world.destination)
    before = counts(world.connection)
    assert before["failed"] > 0
    arguments = [sys.executable, "manage.py", "forget", "--user", ADA, "--yes"]
    with closing(db.connect("blocker", 60)) as blocker:
        blocker.autocommit = False
        with blocker.cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = 0")  # a busy machine takes long to start one
            cursor.execute("SELECT FROM destinations_lane WHERE number = %s FOR UPDATE", [lane_of(ADA)])
            with subprocess.Popen(arguments, cwd=ROOT, env=process_env, stderr=subprocess.DEVNULL) as process:
                assert eventually(lambda: _waits(raw))
                process.send_signal(signal.SIGKILL)
            assert process.returncode == -signal.SIGKILL
        blocker.rollback()
    assert Forgetting.objects.get().ended_at is None
    assert mentions(ADA) != {}
    subprocess.run(arguments, cwd=ROOT, env=process_env, check=True, timeout=60, capture_output=True)
    assert mentions(ADA) == {}
    assert mentions("device-") == {}
    after = counts(world.connection)
    assert "difference" not in after
    assert after["accepted"] == before["accepted"]
    assert not {"failed", "waiting"} & set(after)
    assert Lane.objects.filter(connection=world.connection).count() == 64


def _waits(raw: Connection) -> bool:
    with raw.cursor() as cursor:
        cursor.execute(
            "SELECT FROM pg_stat_activity WHERE application_name = 'rudderproj forget' AND wait_event_type = 'Lock'"
        )
        return bool(cursor.rowcount)
