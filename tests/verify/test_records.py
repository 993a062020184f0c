"""The log of a sink elsewhere: whatever is in it, a run reads on."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from destinations.verify.ledger import Kind, Writer
from destinations.verify.records import Records


def line(**changes: Any) -> str:
    return json.dumps({"kind": "arrived", "at": time.time(), "message_id": "m", "status": 200, "final": True} | changes)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "arrivals"
    path.touch()
    return path


@pytest.fixture
def records(log: Path) -> Records:
    ledger = log.parent / "ledger"
    Writer(ledger).close()
    return Records(ledger, log)


BAD = (
    *("no", "[1]", "5", "null", "\udcff", '{"kind": "arrived"}', '{"message_id": "m"}'),
    *(line(at="x"), line(at=None), line(at=1e300), line(at="nan"), line(status="OK")),
    line(at=time.time() * 1000),  # milliseconds
)


@pytest.mark.parametrize("text", BAD, ids=map(str, range(len(BAD))))  # the same in every process, unlike the lines
def test_a_line_that_is_no_arrival_is_counted_and_named(log: Path, records: Records, text: str) -> None:
    log.write_bytes(f"{line()}\n{text}\n{text}\n{line()}\n".encode(errors="surrogateescape"))

    assert [record["message_id"] for record in records.more()] == ["m", "m"]
    assert records.unreadable == 2
    (remark,) = records.remarks()
    assert remark.startswith("lines of the sink's log are no arrivals, the first: ")
    assert repr(text.encode(errors="surrogateescape").decode(errors="replace"))[1:60] in remark


def test_blank_lines_and_records_of_others_are_passed_over(log: Path, records: Records) -> None:
    log.write_text(f"\n  \r\n{line(kind='started')}\n{line()}\r\n")

    assert len(list(records.more())) == 1
    assert (records.unreadable, records.remarks()) == (0, [])


def test_an_arrival_is_never_in_the_future_whatever_the_other_clock_says(log: Path, records: Records) -> None:
    log.write_text(f"{line(at=time.time() + 3600)}\n{line(at=time.time() - 3600)}\n")

    ahead, behind = records.more()
    assert ahead["mono"] <= time.monotonic()
    assert behind["mono"] <= time.monotonic() - 3599
    assert {ahead["kind"], behind["kind"]} == {Kind.ARRIVED}
