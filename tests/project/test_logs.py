"""Wide lines: JSON, one a line, written at once or many together."""

import json
import logging
from collections.abc import Iterator

import pytest

from rudderproj import logs


@pytest.fixture(autouse=True)
def at_info() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(before)


def written(capsys: pytest.CaptureFixture[str]) -> list[int]:
    """The numbers of the lines that came out since the last look."""
    return [json.loads(line)["number"] for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.wide("thing.done", number=1)
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp")
    assert line == {"event": "thing.done", "number": 1, "level": "info"}


def test_lines_that_are_gathered_come_together_in_order_and_none_stays_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logs.gathering() as write:
        logs.wide("thing.done", number=1)
        logs.wide("thing.done", number=2)
        assert written(capsys) == []
        write()
        assert written(capsys) == [1, 2]
        write()
        logs.wide("thing.done", number=3)
    assert written(capsys) == [3]
    logs.wide("thing.done", number=4)
    assert written(capsys) == [4]


def test_lines_are_written_also_when_the_work_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with logs.gathering():
            logs.wide("thing.done", number=1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert written(capsys) == [1]


def test_below_info_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    logs.wide("thing.done", number=1)
    with logs.gathering():
        logs.wide("thing.done", number=2)
    assert written(capsys) == []
