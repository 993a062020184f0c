"""What a fault notes, and when it may strike once more."""

import random
import subprocess
import time
from pathlib import Path

import pytest

from destinations.verify.ledger import Kind, Writer
from drills.blows import DEAD_UNNOTED_SECONDS, ON_ITS_WAY, ON_THE_WIRE_SECONDS, UNCHECKPOINTED, Blow
from drills.load import Load
from drills.scene import Scene
from drills.stack import NotSo, Stack


def scene(folder: Path, seconds: float) -> Scene:
    """One whose load began just now."""
    writer = Writer(folder / "ledger.jsonl")
    writer.note(Kind.RUN, run="verify-1")
    writer.close()
    process = subprocess.Popen(["true"], text=True)
    process.wait()
    return Scene(Stack(folder, {}), Load(folder / "ledger.jsonl", process), seconds, random.Random(1))


def test_the_time_that_is_left_is_that_of_the_load_whenever_the_drill_began(tmp_path: Path) -> None:
    found = scene(tmp_path, 1000.0)

    assert found.load.began + 1000 - time.monotonic() >= found.left > 0
    with pytest.raises(NotSo, match="not begun"):
        _ = Load(tmp_path / "none.jsonl", found.load.process).began


def test_the_first_blow_falls_whatever_is_left_and_later_ones_only_when_their_end_can_be_seen(tmp_path: Path) -> None:
    over, flowing = scene(tmp_path, 0.0), scene(tmp_path, 1000.0)
    assert (over.may_strike(), flowing.may_strike()) == (True, True)

    over.recovering()
    flowing.recovering()
    assert (over.may_strike(), flowing.may_strike()) == (False, True)


def test_a_blow_is_a_moment_or_the_time_that_is_named(tmp_path: Path) -> None:
    found = scene(tmp_path, 1000.0)
    found.struck()
    found.struck(since=1.0, until=2.0, most=3)

    moment, named = found.marks.blows
    assert (moment.began, moment.most) == (moment.ended, UNCHECKPOINTED)
    assert named == Blow(1.0, 2.0, 3)


def test_the_dead_send_nothing_and_a_cut_is_a_blow_where_it_begins_and_where_it_ends(tmp_path: Path) -> None:
    found = scene(tmp_path, 1000.0)
    found.killed(since=1.0)
    found.healed(cut=2.0)

    dead, cut, healed = found.marks.blows
    assert (dead.began, dead.before, dead.after) == (1.0, DEAD_UNNOTED_SECONDS, ON_THE_WIRE_SECONDS)
    assert cut == Blow(2.0, 2.0)
    assert (healed.began, healed.most) == (2.0, ON_ITS_WAY)
    assert healed.again_from == healed.ended >= dead.ended
