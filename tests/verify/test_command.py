"""`manage.py verify` as it is typed: what is refused, and what comes of a run on a whole stack."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.management import CommandError, call_command

from destinations.management.commands.verify import ENDING
from destinations.verify import arguments, ledger, sink
from destinations.verify.answers import Answers
from destinations.verify.ledger import Kind
from destinations.verify.report import Report
from destinations.verify.site import Terms
from tests.e2e.services import Services
from tests.e2e.stack import ROOT, Stack
from tests.stack.harness import eventually
from tests.verify.running import END_SECONDS, Verify


@pytest.mark.parametrize(
    "typed",
    [
        ["--users", "0"],
        ["--rate", "-1"],
        ["--batch", "0"],
        ["--fail", "1.5"],
        ["--answers", "maybe"],
        ["--answers", "200*99999999999999999999"],
        ["--batch", "1*99999999999999999999"],
        ["--listen-on", "-1"],
        ["--listen", "9000"],
        ["--seconds", "0"],
        ["--patience", "nan"],
        ["--url", "events.example.com"],
        ["--url", "http://:80"],
        ["--sink-url", "http://a:99999"],
    ],
    ids=" ".join,
)
def test_options_that_cannot_be_are_refused(typed: list[str]) -> None:
    with pytest.raises(CommandError, match=f"argument {typed[0]}: "):
        call_command("verify", *typed)


@pytest.mark.parametrize(
    "typed",
    [
        ["--token", "rp_x"],
        ["--token-file", "/none", "--url", "http://x"],
        ["--token-file", os.devnull, "--url", "http://x"],
        ["--token-file", __file__, "--url", "http://x"],
        ["--token-file", "/none", "--token", "rp_x", "--url", "http://x"],
        ["--sink-log", "/none", "--sink-url", "http://x"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_wrong_use(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("verify", *typed)

    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_address_that_is_not_here_is_wrong_use_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("verify", "--listen", "192.0.2.1:9000")

    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("--listen 192.0.2.1:9000: ")


TERMS: Terms = {"accepted": 10, "delivered": 10, "pending": 0, "failed": 0, "waiting": 0, "aborted": 0}


def _report(**fields: Any) -> Report:
    counts = dict.fromkeys(
        (
            *("accepted", "unknown", "unknown_delivered", "refused", "delivered", "lost", "turned_away", "duplicates"),
            *("out_of_order", "unexpected", "requests_put_off", "requests_unanswered", "difference"),
            *("answers_too_late", "unreadable_lines", "unknown_turned_away", "answered_unlike"),
        ),
        0,
    )
    whole = {"run": "verify-1", "latency_ms": {}, "longest_gap_seconds": 0.0, "seconds": 1.0}
    whole |= {"ledger": None, "asked": 10, "sent": 10, "accepted": 10, "delivered": 10, "database": TERMS}
    return Report(**{**counts, **whole, **fields})


@pytest.mark.parametrize("field", ["lost", "out_of_order", "unexpected", "refused", "unreadable_lines", "difference"])
def test_each_count_that_must_be_0_is_a_fault(field: str) -> None:
    assert _report().faults() == []
    assert _report(**{field: 2}).faults() == [f"{field.replace('_', ' ')}: 2"]


def test_scripts_are_told_the_faults_that_decide_the_exit_code() -> None:
    assert _report().as_json()["faults"] == []
    assert _report(lost=2, refused=1).as_json()["faults"] == ["lost: 2", "refused: 1"]


def test_duplicates_are_a_fault_beyond_what_is_allowed() -> None:
    assert _report(duplicates=3).faults() == []
    assert _report(duplicates=3, duplicates_allowed=3).faults() == []
    assert _report(duplicates=3, duplicates_allowed=2).faults() == ["duplicates: 3, allowed are 2"]


def test_a_run_that_proved_nothing_fails() -> None:
    nothing = _report(accepted=0, delivered=0, database=TERMS | {"accepted": 0, "delivered": 0})
    assert nothing.faults() == ["nothing was accepted"]
    not_asked = _report(difference=None, database=None)
    assert not_asked.faults() == ["the database could not be asked where the events are"]


@pytest.mark.parametrize("stored", [9, 13])
def test_a_log_that_holds_fewer_or_more_than_was_acknowledged_is_a_fault(stored: int) -> None:
    ended = _report(unknown=2, interrupted=True, database=TERMS | {"accepted": 12})
    assert ended.faults() == []
    found = replace(ended, database=TERMS | {"accepted": stored}).faults()
    assert found == [f"acknowledged: 10, in the log: {stored}"]


@pytest.mark.parametrize("term", ["pending", "failed", "waiting"])
def test_what_the_deployment_still_owes_is_a_fault_whatever_the_sink_says(term: str) -> None:
    assert _report(database=TERMS | {term: 2}).faults() == ["still owed: 2"]


def test_what_the_sink_turned_away_is_no_fault() -> None:
    assert _report(delivered=9, turned_away=1, database=TERMS | {"delivered": 9, "aborted": 1}).faults() == []


def test_what_was_given_up_or_never_sent_is_a_fault_unless_somebody_ended_the_run() -> None:
    given_up = _report(asked=20, sent=13, unknown=3)

    assert given_up.faults() == [
        "gave up: 3 of 13 sent without an answer that says what became of them",
        "never sent: 7 of 20",
    ]
    assert replace(given_up, interrupted=True).faults() == []
    assert _report(asked=None, sent=10).faults() == []


def booked(delivered: int, aborted: int, **fields: Any) -> list[str]:
    """The faults of a run whose sink delivered 9 and 1 that nobody acknowledged, and turned 1 and 2 away."""
    fields = {"unknown_delivered": 1, "unknown_turned_away": 2, "unknown": 3, "interrupted": True} | fields
    terms = TERMS | {"accepted": 13, "delivered": delivered, "aborted": aborted}
    return _report(delivered=9, turned_away=1, database=terms, **fields).faults()


def test_a_database_that_books_otherwise_than_the_sink_answered_is_a_fault() -> None:
    assert booked(10, 3) == []
    assert booked(9, 4) == [
        "delivered in the database: 9, answered success by the sink: 10",
        "aborted in the database: 4, answered refused for good by the sink: 3",
    ]
    assert booked(11, 2) == [
        "delivered in the database: 11, answered success by the sink: 10",
        "aborted in the database: 2, answered refused for good by the sink: 3",
    ]


def test_an_event_that_was_answered_both_ways_may_be_booked_either_way() -> None:
    assert booked(9, 4, answered_unlike=1) == booked(11, 2, answered_unlike=1) == []
    assert len(booked(8, 5, answered_unlike=1)) == len(booked(12, 1, answered_unlike=1)) == 2


def test_what_is_still_owed_may_not_be_booked_yet() -> None:
    owing = TERMS | {"delivered": 8, "pending": 2}

    assert _report(database=owing).faults() == ["still owed: 2"]
    assert _report(database=owing | {"delivered": 7}).faults() == [
        "still owed: 2",
        "delivered in the database: 7, answered success by the sink: 10",
    ]


@pytest.fixture(scope="module")
def stack(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    chosen = {"RECOVERY_ENABLED": "0", "FORWARD_TIMEOUT_SECONDS": "1", "RETRY_BASE_SECONDS": "1"}
    found = Stack(services.environ | chosen, tmp_path_factory.mktemp("stack"))
    found.start("forward", "web")
    yield found
    found.close()


def names(stack: Stack) -> list[str]:
    """Whose connections there are."""
    return [row["source"] for row in json.loads(stack.manage("status", "--json"))["connections"]]


@pytest.mark.slow
def test_a_load_through_scripted_answers_arrives_and_is_cleaned_up(stack: Stack, tmp_path: Path) -> None:
    load = ("--users", "20", "--rate", "300", "--batch", "1*4,10", "--payload", "10-2000", "--events", "901")
    senders = ("--processes", "2", "--zipf", "1", "--seed", "7")
    answers = ("--answers", "200*50,503:1,200*20,reset,400,200*20,429,200")
    ended = Verify(stack.environ, tmp_path, *load, *senders, *answers).end()

    assert (ended.code, ended.errors, ended.wrong()) == (0, "", {})
    report = ended.report
    assert (report["accepted"], report["delivered"], report["turned_away"]) == (901, 900, 1)
    assert report["duplicates"] == 0
    assert list(report["latency_ms"]) == ["p50", "p95", "p99", "max"]
    assert report["database"]["aborted"] == 1
    assert names(stack) == []
    kinds = [record["kind"] for record in ledger.read(tmp_path / "ledger.jsonl")]
    assert (kinds[0], kinds[-1]) == (Kind.RUN, Kind.REPORT)
    assert kinds.count(Kind.ARRIVED) == 904


@pytest.mark.slow
def test_a_person_sees_a_bar_while_it_runs_and_a_table_at_its_end(stack: Stack) -> None:
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 120))
    seen = bytearray()

    def look() -> None:
        with contextlib.suppress(OSError):  # nobody holds its other end any more
            while more := os.read(terminal, 4096):
                seen.extend(more)

    looking = threading.Thread(target=look)
    looking.start()
    command = [sys.executable, "manage.py", "verify", "--events", "60", "--rate", "30"]
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=stack.environ,
            stdout=subprocess.PIPE,
            stderr=its_end,
            text=True,
            check=False,
            timeout=END_SECONDS,
        )
    finally:
        os.close(its_end)
        looking.join()
        os.close(terminal)

    table = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines() if len(line.split()) == 2)
    assert (ended.returncode, table["accepted"], table["delivered"], table["lost"]) == (0, "60", "60", "0")
    assert "in the database" in ended.stdout
    bar = seen.decode()
    assert re.search(r"delivered: +[1-9][0-9]?%.*[1-9][0-9]?/60", bar), "it did not move while events arrived"
    assert "60/60" in bar


@pytest.mark.slow
def test_patience_does_not_run_out_while_the_next_event_is_not_due(stack: Stack, tmp_path: Path) -> None:
    ended = Verify(stack.environ, tmp_path, "--events", "2", "--rate", "0.3", "--patience", "1").end()

    assert (ended.code, ended.errors, ended.report["accepted"]) == (0, "", 2)


@pytest.mark.slow
def test_a_deployment_elsewhere_is_reached_by_token_and_a_sink_elsewhere_by_its_log(
    stack: Stack, tmp_path: Path
) -> None:
    scopes = ("read", "sources:write", "destinations:write")
    token = stack.manage("token", "create", "verify", *(word for scope in scopes for word in ("--scope", scope)))
    log = tmp_path / "arrivals"
    with sink.listening("127.0.0.1", 0, "/hook", Answers(), log) as port:
        (tmp_path / "token").write_text(token)
        where = ("--url", stack.url, "--token-file", str(tmp_path / "token"))
        there = ("--sink-url", f"http://127.0.0.1:{port}/hook", "--sink-log", str(log))
        ended = Verify(stack.environ, tmp_path, *where, *there, "--events", "200", "--rate", "0").end()

    assert (ended.code, ended.errors, ended.wrong()) == (0, "", {})
    assert (ended.report["delivered"], ended.report["database"]["delivered"]) == (200, 200)
    left = json.loads(stack.manage("status", "--json"))["destinations"]
    assert [row["enabled"] for row in left] == [False]
    stack.manage("verify", "--clean")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_cleans_up(stack: Stack, tmp_path: Path, number: signal.Signals) -> None:
    verify = Verify(stack.environ, tmp_path, "--seconds", "60")
    verify.wait_for(Kind.ARRIVED, 20)
    os.kill(verify.pid, number)
    ended = verify.end()

    assert (ended.code, ended.errors) == (130, f"{ENDING}\ninterrupted\n")
    assert ended.wrong() == {}
    assert ended.report["interrupted"]
    assert ended.report["accepted"] == ended.report["delivered"] >= 20
    assert names(stack) == []


@pytest.mark.slow
def test_a_second_interrupt_ends_it_at_once(stack: Stack, tmp_path: Path) -> None:
    verify = Verify(stack.environ, tmp_path, "--seconds", "60", "--answers", "hang")
    verify.wait_for(Kind.ARRIVED)
    os.kill(verify.pid, signal.SIGINT)
    verify.wait_until_told(ENDING)
    os.kill(verify.pid, signal.SIGINT)
    ended = verify.end()

    assert (ended.code, ended.errors, ended.report) == (130, "interrupted\n", {})
    assert names(stack) == []


@pytest.mark.slow
def test_a_sink_that_has_the_destination_held_is_told_and_a_fault(stack: Stack, tmp_path: Path) -> None:
    load = ("--events", "40", "--rate", "0", "--patience", "3")
    ended = Verify(stack.environ, tmp_path, *load, "--answers", "200*5,401").end()

    assert ended.code == 1
    assert ended.report["delivered"] == 5
    assert "the destination is held" in ended.report["remarks"]
    owed = sum(ended.report["database"][term] for term in ("pending", "failed", "waiting"))
    assert owed > 0
    assert f"still owed: {owed}" in ended.errors
    assert names(stack) == []


@pytest.mark.slow
def test_a_sink_slower_than_the_time_out_is_told_and_its_arrivals_are_not_delivered(
    stack: Stack, tmp_path: Path
) -> None:
    load = ("--events", "4", "--rate", "0", "--patience", "5")
    ended = Verify(stack.environ, tmp_path, *load, "--sink-latency", "1500").end()

    assert ended.code == 1
    assert (ended.report["delivered"], ended.report["lost"], ended.report["duplicates"]) == (0, 4, 0)
    assert ended.report["answers_too_late"] >= 4
    assert any("came too late" in remark for remark in ended.report["remarks"])
    assert names(stack) == []


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_a_ledger_no_sender_and_rows_that_can_be_removed(
    stack: Stack, tmp_path: Path
) -> None:
    verify = Verify(stack.environ, tmp_path, "--seconds", "60", "--processes", "2")
    verify.wait_for(Kind.ARRIVED, 20)
    senders = psutil.Process(verify.pid).children()
    assert len(senders) == 2
    verify.kill()

    eventually(lambda: not any(sender.is_running() for sender in senders))
    run = next(record["run"] for record in ledger.read(tmp_path / "ledger.jsonl"))
    assert names(stack) == [run]
    assert stack.manage("verify", "--clean") == f"removed {run}\n"
    assert names(stack) == []


def test_the_usual_load_is_ten_seconds_unless_events_are_given() -> None:
    def seconds(**given: Any) -> float | None:
        usual: dict[str, Any] = {
            "users": 1,
            "rate": 1.0,
            "batch": None,
            "payload": None,
            "events": None,
            "processes": 1,
        }
        usual |= {"connections": 1, "seconds": None, "zipf": 0.0, "seed": 0, "timeout": 1.0, "wait_most": None}
        usual |= {"answers": (), "fail": 0.0, "sink_latency": 0.0, "ledger": None, "patience": 1.0, "keep": False}
        usual |= {"duplicates": None, "listen_on": 0.0}
        usual |= {"listen": ("127.0.0.1", 0), "sink_url": None, "sink_log": None}
        return arguments.options({**usual, **given}).load.seconds

    assert (seconds(), seconds(events=5), seconds(seconds=3.0, events=5)) == (10.0, None, 3.0)
