"""What a process leaves behind of what it had in its hands."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from rudderproj import flight

EVENT = {"destination": 7, "connection": 3, "lane": 63, "replay": 0, "xid": 2**40, "position": 5}


def test_what_is_taken_and_not_given_back_can_be_read(tmp_path: Path) -> None:
    mine = flight.Flight(tmp_path / "flight-1")
    link = mine.take_link(7)
    first = mine.take_event(7, 3, 63, 0, 2**40, 5)
    second = mine.take_event(7, 3, 62, 9, 2**40, 6)
    assert flight.read(tmp_path / "flight-1") == [
        {"destination": 7},
        EVENT,
        EVENT | {"lane": 62, "replay": 9, "position": 6},
    ]
    mine.give(link)
    mine.give(second)
    assert flight.read(tmp_path / "flight-1") == [EVENT]
    mine.give(first)
    assert flight.read(tmp_path / "flight-1") == []


def test_what_is_being_parsed_is_noted_beside_the_rest(tmp_path: Path) -> None:
    mine = flight.Flight(tmp_path / "flight-1", slots=1)
    mine.take_link(8)
    mine.begin_reading(7, 3, 63, 0, 2**40, 5)
    assert flight.read(tmp_path / "flight-1") == [EVENT, {"destination": 8}]
    mine.begin_reading(7, 3, 63, 0, 2**40, 6)
    assert flight.read(tmp_path / "flight-1") == [EVENT | {"position": 6}, {"destination": 8}]
    mine.end_reading()
    assert flight.read(tmp_path / "flight-1") == [{"destination": 8}]


def test_what_is_looked_into_alone_says_so(tmp_path: Path) -> None:
    mine = flight.Flight(tmp_path / "flight-1")
    mine.examine(True)
    mine.begin_reading(7, 3, 63, 0, 2**40, 5)
    slots = [mine.take_link(7), mine.take_event(7, 3, 63, 0, 2**40, 5)]
    assert flight.read(tmp_path / "flight-1") == [
        EVENT | {"examined": True},
        {"destination": 7, "examined": True},
        EVENT | {"examined": True},
    ]
    mine.end_reading()
    for slot in slots:
        mine.give(slot)
    mine.examine(False)
    mine.take_event(7, 3, 63, 0, 2**40, 5)
    assert flight.read(tmp_path / "flight-1") == [EVENT]


def test_a_killed_process_leaves_its_slots(tmp_path: Path) -> None:
    program = (
        "import os, signal, pathlib; from rudderproj import flight;"
        f"flight.Flight(pathlib.Path({str(tmp_path / 'flight-1')!r})).take_event(7, 3, 63, 0, 2**40, 5);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    assert flight.read(tmp_path / "flight-1") == [EVENT]


def test_more_than_there_are_slots_for_is_not_noted_and_hurts_nobody(tmp_path: Path) -> None:
    mine = flight.Flight(tmp_path / "flight-1", slots=1)
    first, second = mine.take_link(1), mine.take_link(2)
    assert flight.read(tmp_path / "flight-1") == [{"destination": 1}]
    mine.give(second)
    mine.give(first)
    assert flight.read(tmp_path / "flight-1") == []


def test_without_a_file_nothing_is_left(tmp_path: Path) -> None:
    assert flight.Flight(None).take_link(1) >= 0
    assert flight.read(tmp_path / "flight-1") == []
    assert flight.path_of(os.getpid()) is None or flight.path_of(1) != flight.path_of(2)
