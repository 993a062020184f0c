"""One drill after the other: whatever becomes of one, the others have their turn, and the table is whole."""

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from drills import runner
from drills.drill import Drill
from drills.judging import Outcome
from drills.load import Plan
from drills.stack import NotSo, Stack, eventually


class Ended(Exception):
    """What no list of expected failures has."""


def drill(name: str, **more: object) -> Drill:
    return Drill(name, "nothing", lambda _: None, **more)  # type: ignore[arg-type]


@contextlib.contextmanager
def good(folder: Path) -> Iterator[Stack]:
    yield Stack(folder, {})


@contextlib.contextmanager
def ending_badly(folder: Path) -> Iterator[Stack]:
    yield Stack(folder, {})
    raise Ended("it would not end")


@contextlib.contextmanager
def not_starting(folder: Path) -> Iterator[Stack]:
    raise psutil.AccessDenied(1)
    yield


def ran(monkeypatch: pytest.MonkeyPatch, folder: Path, *drills: Drill, raising: str = "") -> dict[str, list[str]]:
    """The problems of each, when running one is nothing but an error for that of one name."""

    def one(drill: Drill, *_: object) -> Outcome:
        if drill.name == raising:
            raise Ended("odd")
        return Outcome(drill.name)

    monkeypatch.setattr(runner, "_one", one)
    return {found.name: found.problems for found in runner.run(drills, runner.Options(), folder)}


def test_an_error_of_any_kind_is_that_drills_and_the_next_one_has_its_turn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drills = [drill(name, stage=good) for name in ("a", "b", "c")]

    assert ran(monkeypatch, tmp_path, *drills, raising="b") == {"a": [], "b": ["Ended: odd"], "c": []}
    assert "raise Ended" in (tmp_path / "b.txt").read_text()


def test_a_stage_that_cannot_start_fails_those_who_need_it_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = ran(monkeypatch, tmp_path, drill("a", stage=not_starting), drill("b", stage=good))

    assert (found["a"][0].split(":")[0], found["b"]) == ("AccessDenied", [])


def test_a_stage_that_does_not_end_well_is_not_the_next_drills_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = ran(monkeypatch, tmp_path, drill("a", stage=ending_badly), drill("b", stage=good))

    assert found == {"a": [], "b": []}


def test_of_a_drill_that_does_not_touch_ingest_most_of_the_load_must_be_accepted() -> None:
    plan = Plan(rate=100, seconds=10.0)

    assert runner.shortfalls(drill("a", goes_on=True), plan, 800) == []
    assert runner.shortfalls(drill("a", goes_on=True), plan, 799) == ["799 accepted of 1000 that were to be sent"]
    assert runner.shortfalls(drill("a"), plan, 0) == []


class Small(Stack):
    """One whose every process is this test's own, but for one that is gone."""

    gone: str = ""
    is_sampled: bool = True  # whenever it is asked
    slots: int = 3

    def pid(self, name: str) -> int:
        if name == self.gone:
            raise NotSo(f"a process {name}: not within 0 s")
        return os.getpid()

    def main(self, role: str) -> psutil.Process:
        return psutil.Process(self.pid(role))

    def is_ready(self) -> bool:
        return True

    def has_broker(self) -> bool:
        return True

    def has_database(self) -> bool:
        return True

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        self.slots += self.is_sampled
        return [(slot,) for slot in range(self.slots)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Small:
    monkeypatch.setattr(runner, "ALIVE_SECONDS", 0.0)
    monkeypatch.setattr(runner, "SAMPLE_SECONDS", 0.0)
    monkeypatch.setattr(runner, "eventually", partial(eventually, seconds=0.0))
    return Small(tmp_path, {})


@pytest.mark.parametrize("name", ["web", "flower", "valkey", "postgres", "supervisord"])
def test_a_process_of_any_kind_that_is_not_back_is_missed(small: Small, name: str) -> None:
    assert runner.absences(small, set()) == []
    small.gone = name

    assert runner.absences(small, set()) == [f"a process {name}: not within 0 s"]


def test_a_process_that_has_only_just_begun_is_not_back(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ALIVE_SECONDS", 1e9)

    assert runner.absences(small, set()) == ["all processes being back: not within 0 s"]


@pytest.mark.parametrize(("asked", "words"), [("has_broker", "the broker"), ("has_database", "the database")])
def test_a_service_that_lives_and_does_not_answer_is_missed(
    small: Small, monkeypatch: pytest.MonkeyPatch, asked: str, words: str
) -> None:
    monkeypatch.setattr(small, asked, lambda: False)

    assert runner.absences(small, set()) == [f"{words} answering: not within 0 s"]


def test_processes_that_live_and_take_no_new_sample_are_not_back(small: Small) -> None:
    before = runner.samples(small)
    assert runner.absences(small, before) == []
    small.is_sampled = False

    assert runner.absences(small, runner.samples(small)) == ["a sample, by beat and an alerts worker: not within 0 s"]
