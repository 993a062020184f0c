"""What a soak finds flat, and what not."""

import mmap
import os

import psutil

from destinations.verify.traffic import Numbered
from drills.ledger import Ledger
from drills.soak import verdict
from drills.soak.sizes import Database, Memory, private
from drills.soak.verdict import MIB


def life(name: str, pid: int, sizes: list[float], began: float = 0.0) -> list[Memory]:
    return [Memory(began + 10 * number, name, pid, int(size * MIB)) for number, size in enumerate(sizes)]


def database(whole: float, log: float) -> Database:
    return Database(int(whole * MIB), [("ingest_event", int(log * MIB))], 1000)


EMPTY = database(14, 0)


def test_what_grows_while_it_warms_up_is_flat_and_what_goes_on_growing_is_not() -> None:
    warm = life("web", 1, [50, 80, 100, *[100.0] * 17])
    leaking = life("forward pool", 2, [100 + 2 * number for number in range(20)])
    grown = verdict.growths([*warm, *leaking], 0, 200)
    assert [(one.name, one.pid) for one in grown] == [("forward pool", 2), ("web", 1)]
    assert verdict.problems(grown, [], EMPTY, EMPTY) == ["forward pool (2) grew by 24 MiB"]


def test_who_was_idle_may_grow_to_what_the_largest_of_its_kind_was_and_no_further() -> None:
    idle = life("forward pool", 1, [30.0] * 12 + [59.0] * 8)
    busy = life("forward pool", 2, [58.0] * 20)
    far = life("forward pool", 3, [30.0] * 12 + [80.0] * 8)
    assert verdict.problems(verdict.growths([*idle, *busy], 0, 200), [], EMPTY, EMPTY) == []
    assert verdict.problems(verdict.growths([*far, *busy], 0, 200), [], EMPTY, EMPTY) == [
        "forward pool (3) grew by 50 MiB"
    ]


def test_who_did_not_live_for_long_says_nothing_and_nobody_at_all_is_a_problem() -> None:
    brief = life("forward pool", 3, [10, 20, 30, 40], began=100)
    assert verdict.growths(brief, 0, 200) == []
    assert verdict.problems([], [], EMPTY, EMPTY) == ["no process lived long enough to be judged"]


def test_latency_is_told_by_tenths_and_a_slow_end_is_a_problem() -> None:
    ledger = Ledger()
    for number in range(200):
        ledger.accepted[Numbered(0, number)] = float(number)
        ledger.delivered[Numbered(0, number)] = number + (0.02 if number < 180 else 0.5)
    slow = verdict.latencies(ledger)
    assert [(round(middle), round(most)) for middle, most in slow] == [(20, 20)] * 9 + [(500, 500)]
    flat = verdict.growths(life("web", 1, [10.0] * 20), 0, 200)
    assert verdict.problems(flat, slow, EMPTY, EMPTY) == ["p50 went from 20 to 500 ms"]
    assert verdict.problems(flat, slow[:9], EMPTY, EMPTY) == []


def test_a_database_that_grows_besides_its_log_is_a_problem() -> None:
    flat = verdict.growths(life("web", 1, [10.0] * 20), 0, 200)
    assert verdict.problems(flat, [], EMPTY, database(520, 500)) == []
    assert verdict.problems(flat, [], EMPTY, database(700, 500)) == ["the database grew by 186 MiB besides the log"]


def test_a_load_of_which_much_never_went_in_is_a_problem() -> None:
    assert verdict.shortfall(800, 1000) == []
    assert verdict.shortfall(799, 1000) == ["799 accepted of 1000 that were to be sent"]


def test_memory_that_is_meant_to_be_shared_is_nobodys_own() -> None:
    me = psutil.Process()
    before = private(me)
    with mmap.mmap(-1, 64 << 20) as shared:  # as PostgreSQL's buffers, of which a process may be the only one to look
        shared.write(bytes(64 << 20))
        assert private(me) - before < 32 << 20
        own = bytearray(os.urandom(1 << 20) * 64)
        assert private(me) - before > 32 << 20
        assert len(own) == 64 << 20
