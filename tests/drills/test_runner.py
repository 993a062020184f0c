"""One drill after the other: whatever becomes of one, the others have their turn, and the table is whole."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from drills import runner
from drills.drill import Drill
from drills.judging import Outcome
from drills.stack import Stack


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
