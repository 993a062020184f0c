"""What a soak finds flat, and what not."""

from destinations.verify.traffic import Numbered
from drills.ledger import Ledger
from drills.soak import verdict
from drills.soak.sizes import Database, Memory
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
    assert [(one.name, one.pid, one.is_flat) for one in grown] == [("forward pool", 2, False), ("web", 1, True)]
    assert verdict.problems(grown, [], EMPTY, EMPTY) == ["forward pool (2) grew by 24 MiB"]


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
