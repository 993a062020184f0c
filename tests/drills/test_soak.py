"""What a soak finds flat, and what not."""

import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from redis import Redis

from destinations.verify.traffic import Numbered
from drills.ledger import Ledger
from drills.soak import __main__ as soak
from drills.soak import verdict
from drills.soak.sizes import Database, Memory, memory, postgres_kind, private
from drills.soak.trouble import TROUBLES
from drills.soak.verdict import MIB, Growth
from drills.stack import Stack, eventually


def life(name: str, pid: int, sizes: list[float], began: float = 0.0) -> list[Memory]:
    return [Memory(began + 10 * number, name, pid, int(size * MIB)) for number, size in enumerate(sizes)]


def database(whole: float, log: float, events: int = 0, payload: float = 560.0) -> Database:
    return Database(int(whole * MIB), [("ingest_event", int(log * MIB))], events, payload)


EMPTY = database(14, 0)
EACH = [Growth(name, 900 + number, 90.0 * MIB, 90.0 * MIB) for number, name in enumerate(verdict.EXPECTED)]


def judged(*samples: list[Memory], seconds: float = 200) -> list[str]:
    """What is wrong with the memory of these, beside one of each kind that is flat."""
    grown = verdict.growths([sample for life in samples for sample in life], 0, seconds)
    return verdict.problems([*EACH, *grown], EMPTY, EMPTY)


def test_what_grows_while_it_warms_up_is_flat_and_what_goes_on_growing_is_not() -> None:
    warm = life("web", 1, [50, 80, 100, *[100.0] * 17])
    leaking = life("forward pool", 2, [100 + 2 * number for number in range(20)])
    assert judged(warm) == []
    assert judged(warm, leaking) == ["forward pool (2) grew by 24 MiB"]


def test_who_was_idle_in_a_pool_may_grow_to_what_the_largest_of_its_kind_was_and_no_further() -> None:
    idle = life("forward pool", 1, [30.0] * 12 + [59.0] * 8)
    busy = life("forward pool", 2, [58.0] * 20)
    far = life("forward pool", 3, [30.0] * 12 + [80.0] * 8)
    assert judged(idle, busy) == []
    assert judged(far, busy) == ["forward pool (3) grew by 50 MiB"]


def test_outside_of_a_pool_nobody_may_grow_to_the_size_of_another() -> None:
    for kind in ("web", "web guard", "postgres backend"):
        small, large = life(kind, 1, [20.0] * 12 + [80.0] * 8), life(kind, 2, [80.0] * 20)
        assert judged(small, large) == [f"{kind} (1) grew by 60 MiB"]


def test_a_real_run_in_which_only_flower_grew() -> None:
    sizes = [
        *(("flower", 85, 97), ("forward pool", 33, 36), ("forward pool", 21, 30), ("forward pool", 33, 35)),
        *(("alerts", 25, 25), ("web", 96, 96)),
    ]
    grown = [Growth(name, pid, before * MIB, after * MIB) for pid, (name, before, after) in enumerate(sizes)]
    assert verdict.problems([*EACH, *grown], EMPTY, EMPTY) == ["flower (0) grew by 12 MiB"]


def test_who_did_not_live_for_long_says_nothing_and_a_kind_of_which_nobody_did_is_a_problem() -> None:
    brief = life("web", 3, [10, 20, 30, 40], began=100)
    assert verdict.growths(brief, 0, 200) == []
    assert verdict.problems(EACH[1:], EMPTY, EMPTY) == ["no process of web lived long enough to be judged"]
    assert len(verdict.problems([], EMPTY, EMPTY)) == len(verdict.EXPECTED)


def test_a_leak_is_seen_in_processes_that_are_replaced_before_they_have_lived_for_long() -> None:
    flat, leaking = [30.0] * 20, [30.0 + 3 * number for number in range(20)]
    for kind in ("forward pool", "postgres backend"):
        lives = [(number, 1000.0 + 200 * number) for number in range(4)]
        assert judged(*(life(kind, pid, flat, began) for pid, began in lives), seconds=2000) == []
        found = judged(*(life(kind, pid, leaking, began) for pid, began in lives), seconds=2000)
        assert found == [f"{kind} ({pid}) grew by 36 MiB" for pid, _ in lives]


def test_children_of_postgresql_are_told_apart_by_their_titles() -> None:
    titles = {
        "postgres: checkpointer": "postgres checkpointer",
        "postgres: io worker 2": "postgres io worker",
        "postgres: autovacuum worker rudderproj": "postgres autovacuum worker",
        "postgres: rudderproj rudderproj 127.0.0.1(39478) idle": "postgres backend",
        "/usr/bin/postgres -D /data": "postgres child",
    }
    assert {title: postgres_kind(title) for title in titles} == titles


class Run(Stack):
    """A stack of one role, whose guard is this process."""

    guard = 0

    def lives(self) -> dict[str, int]:
        return {"web": self.guard, "supervisord": 1}


def test_a_guard_and_a_pool_are_told_from_the_process_between_them(tmp_path: Path) -> None:
    run = Run(tmp_path, {})
    inner = "import subprocess as s, sys; s.run([sys.executable, '-c', 'input()'])"
    command = [sys.executable, "-c", f"import subprocess as s, sys; s.run([sys.executable, '-c', {inner!r}])"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as guard:
        run.guard = guard.pid
        eventually(lambda: len(psutil.Process(guard.pid).children(recursive=True)) == 2, "three processes")
        assert [one.name for one in memory(run)] == ["web guard", "web", "web pool"]
        guard.communicate(b"\n")


def test_latency_is_told_by_tenths() -> None:
    ledger = Ledger()
    for number in range(200):
        ledger.accepted[Numbered(0, number)] = float(number)
        ledger.delivered[Numbered(0, number)] = number + (0.02 if number < 180 else 0.5)
    slow = verdict.latencies(ledger)
    assert [(round(middle), round(most)) for middle, most in slow] == [(20, 20)] * 9 + [(500, 500)]


def test_a_tenth_that_is_slower_than_is_usual_is_a_problem_the_first_excepted() -> None:
    hour, flat = 3600, [(6.0, 40.0)] * 8
    real = zip((5, 6, 6, 6, 7, 6, 6, 6, 6, 6), (27, 46, 36, 53, 52, 37, 40, 36, 38, 33), strict=True)
    assert verdict.slowness([(p50, p95) for p50, p95 in real], hour) == []
    assert verdict.slowness([(900, 9000), *flat], hour) == []
    assert verdict.slowness([(6, 40), *flat, (54, 60_000)], hour) == [
        "p50 of tenth 10 was 54 ms, usually 6",
        "p95 of tenth 10 was 60000 ms, usually 40",
    ]
    assert len(verdict.slowness([(5, 15), (5, 15), *[(5000.0, 9000.0)] * 7, (5, 15)], hour)) == 14
    busy = [(p50, 40.0) for p50 in (5, 4, 7, 11, 11, 9, 11, 9, 11, 18)]  # a real run, beside compilers
    assert verdict.slowness(busy, hour) == []
    assert verdict.slowness([*busy, (22, 40)], hour) == ["p50 of tenth 11 was 22 ms, usually 11"]
    assert verdict.slowness([], hour) == []


def test_a_short_run_is_not_judged_by_a_95th_percentile_that_one_trouble_makes() -> None:
    slow = [(6.0, 40.0)] * 9 + [(6.0, 4000.0)]
    assert verdict.slowness(slow, 120) == []
    assert len(verdict.slowness(slow, 600)) == 1


def test_a_database_that_grows_besides_its_log_is_a_problem() -> None:
    assert verdict.problems(EACH, EMPTY, database(540, 500, 660_000)) == []
    assert verdict.problems(EACH, EMPTY, database(550, 500, 660_000)) == ["the database grew by 36 MiB besides the log"]


def test_a_log_of_more_than_its_events_explain_is_a_problem() -> None:
    assert verdict.problems(EACH, EMPTY, database(897, 883.3, 1_165_290)) == []  # a real run
    assert verdict.problems(EACH, EMPTY, database(2014, 2000, 1_165_290)) == [
        "the log grew by 2000 MiB for 1,165,290 events of 560 bytes"
    ]
    before = database(897, 883, 1_165_290)
    assert verdict.problems(EACH, before, database(997, 983, 1_165_290)) == [
        "the log grew by 100 MiB for 0 events of 560 bytes"
    ]


def test_a_kind_of_trouble_that_never_hit_anything_is_a_problem_and_so_is_none_at_all() -> None:
    hits = {"web stands still": 2, "the database's connections are cut": 0}
    assert verdict.unfelt(hits) == ["the database's connections are cut: nothing was hit"]
    assert verdict.unfelt({"web stands still": 2}) == []
    assert verdict.unfelt({}) == ["no trouble came due"]


class Poor(Stack):
    """A stack with nothing to hit: no process in its pool, no connection, a database and a broker that are away."""

    def pool(self, role: str) -> list[psutil.Process]:
        return []

    def connect(self) -> Any:
        raise psycopg2.OperationalError

    def broker(self) -> Redis:
        return Redis(port=1)


def test_a_trouble_says_how_much_it_has_hit(tmp_path: Path) -> None:
    poor, chance = Poor(tmp_path, {}), random.Random(1)
    names = [name for name in TROUBLES if name != "web stands still"]
    assert {name: TROUBLES[name].make(poor, chance) for name in names} == dict.fromkeys(names, 0)


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["lost: 1"], 1)])
def test_a_soak_leaves_its_folder_when_it_has_failed_and_says_where(
    problems: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders: list[Path] = []

    def soaked(_: object, folder: Path) -> list[str]:
        folders.append(folder)
        return problems

    monkeypatch.setattr(soak, "_soak", soaked)
    monkeypatch.setattr(sys, "argv", ["soak"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    assert soak.main() == code
    assert (folders[0].exists(), str(folders[0]) in capsys.readouterr().out) == (bool(code), bool(code))
    shutil.rmtree(folders[0], ignore_errors=True)


def test_memory_that_is_meant_to_be_shared_is_nobodys_own() -> None:
    me = psutil.Process()
    before = private(me)
    with mmap.mmap(-1, 64 << 20) as shared:  # as PostgreSQL's buffers, of which a process may be the only one to look
        shared.write(bytes(64 << 20))
        assert private(me) - before < 32 << 20
        own = bytearray(os.urandom(1 << 20) * 64)
        assert private(me) - before > 32 << 20
        assert len(own) == 64 << 20
