"""What guards keep and write: rings, spools, records that are applied twice, lives."""

import itertools
import json
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.models import Crash, Life
from rudderproj import db
from rudderproj.guard import clock, life, oom, ring, spool, store


@given(st.lists(st.binary(max_size=3 * ring.SIZE // 2), max_size=6))
def test_a_ring_keeps_the_last_bytes(written: list[bytes]) -> None:
    kept = ring.Ring(None)
    for data in written:
        kept.write(data)
    assert kept.read() == b"".join(written)[-ring.SIZE :]


def test_another_process_reads_a_ring_and_nothing_where_there_is_none(tmp_path: Path) -> None:
    ring.Ring(tmp_path / "log").write(b"words")
    assert ring.read(tmp_path / "log") == b"words"
    ring.Ring(tmp_path / "log")
    assert ring.read(tmp_path / "log") == b""
    assert ring.read(tmp_path / "none") == b""


LIFE = life.Life("forward", "n", "run", "boot", 7, 12.5)


@pytest.mark.parametrize(
    ("former", "counts"),
    [
        (LIFE, True),  # nobody saw it end
        (replace(LIFE, end="crashed"), True),
        (replace(LIFE, end="asked"), False),
        (replace(LIFE, end="clean"), False),
        (replace(LIFE, run="another"), False),
        (replace(LIFE, boot="another"), False),
        (replace(LIFE, boot="another", end="crashed"), False),
    ],
)
def test_who_comes_back_after_a_crash(former: life.Life, counts: bool) -> None:
    assert life.came_back(former, replace(LIFE, pid=8, started=99.0)) == counts


def test_one_life_has_one_crash_whoever_notes_it() -> None:
    assert LIFE.crash_id == replace(LIFE, end="crashed").crash_id
    assert LIFE.crash_id != replace(LIFE, started=12.25).crash_id


def test_a_spool_gives_its_records_back_in_order_to_the_next_process(tmp_path: Path) -> None:
    first = spool.Spool(tmp_path)
    for number in range(12):
        first.add({"do": "end", "number": number})
    (tmp_path / "00000003-broken.json").write_text("{")
    second = spool.Spool(tmp_path)
    second.add({"do": "end", "number": 12})
    found = []
    while entry := second.first():
        found.append(entry[1]["number"])
        second.done(entry[0])
    assert found == list(range(13))
    assert list(tmp_path.iterdir()) == []


def test_a_spool_lets_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    kept = spool.Spool(tmp_path)
    for number in range(spool.MOST + 3):
        kept.add({"do": "end", "number": number})
    entry = kept.first()
    assert entry is not None
    assert (entry[1]["number"], len(kept), len(list(tmp_path.iterdir()))) == (3, spool.MOST, spool.MOST)


def test_a_spool_without_a_folder_keeps_them_in_memory(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "none"):
        kept = spool.Spool(folder)
        kept.add({"do": "end"})
        assert len(kept) == 1


def test_a_moment_before_another_boot_is_told_by_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = clock.moment()
    assert 0 <= clock.age(noted) < 5
    assert 3600 <= clock.age(noted | {"boot": "another", "wall": noted["wall"] - 3600}) < 3605
    assert clock.age(noted | {"wall": 0}) < 5
    assert clock.age(noted | {"seconds": noted["seconds"] + 9}) == 0.0


def test_the_kernels_count_of_kills_is_read_from_the_group_else_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "cgroup"
    monkeypatch.setattr(oom, "_GROUPS", group)
    monkeypatch.setattr(oom, "_ROOT", tmp_path)
    group.write_text("0::/pod/web\n")
    assert oom.kills() >= 0  # the machine's
    (tmp_path / "pod/web").mkdir(parents=True)
    (tmp_path / "pod/web/memory.events").write_text("low 0\noom 9\noom_kill 4\noom_group_kill 1\n")
    assert oom.kills() == 4
    group.write_text("4:memory:/pod\n0::/\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert oom.kills() == 2


def records() -> list[dict[str, Any]]:
    who = {"role": "forward", "node": "n", "run": "r", "boot": "b", "pid": 7}
    crash = str(uuid.uuid4())
    return [
        {"moment": clock.moment()} | record
        for record in (
            who | {"do": "start", "ask": True},
            who | {"do": "crash", "id": crash, "kind": "process", "signal": "SIGSEGV", "in_flight": []},
            who | {"do": "end", "end": "crashed"},
            {"do": "restart", "id": crash},
            who | {"do": "start", "ask": False, "pid": 8},
        )
    ]


@pytest.mark.parametrize("twice", list(itertools.product([False, True], repeat=5)))
@pytest.mark.usefixtures("committed")
def test_a_record_that_is_written_twice_changes_nothing_the_second_time(twice: tuple[bool, ...]) -> None:
    counted = 0
    with closing(db.connect("test", 5)) as raw:
        raw.autocommit = False
        for record, again in zip(records(), twice, strict=True):
            counted += store.apply(raw, record)
            if again:
                assert not store.apply(raw, json.loads(json.dumps(record)))
    crash = Crash.objects.get()
    assert (counted, crash.restarted_at is not None, crash.signal) == (1, True, "SIGSEGV")
    assert (Life.objects.get().pid, Life.objects.get().end) == (8, "")


def in_flight(count: int) -> list[dict[str, int]]:
    names = ("destination", "connection", "lane", "replay", "xid", "position")
    return [dict.fromkeys(names, number) for number in range(1, count + 1)]


def crash(**values: Any) -> dict[str, Any]:
    return {"moment": clock.moment()} | next(record for record in records() if record["do"] == "crash") | values


@pytest.mark.usefixtures("committed")
def test_of_very_much_in_flight_the_first_is_kept() -> None:
    with closing(db.connect("test", 5)) as raw:
        raw.autocommit = False
        store.apply(raw, crash(in_flight=in_flight(2001)))
    assert Crash.objects.get().in_flight == in_flight(2000)


@pytest.mark.usefixtures("committed")
def test_a_crash_that_takes_the_database_too_long_is_written_without_what_was_in_flight() -> None:
    with closing(db.connect("other", 5)) as other, closing(db.connect("test", 5)) as raw:
        for one in (other, raw):
            one.autocommit = False
        other.cursor().execute("LOCK TABLE destinations_suspect")  # whoever looks into an event waits for it
        with raw, raw.cursor() as cursor:
            cursor.execute("SET statement_timeout = '300ms'; SET lock_timeout = 0")
        store.apply(raw, crash(in_flight=in_flight(3)))
    found = Crash.objects.get()
    assert (found.in_flight, found.signal, found.suspected_until) == ([], "SIGSEGV", None)
