"""A client of the drill's own: it sends one after the other, and gives up on a stack that does not come back."""

import threading
from pathlib import Path

import pytest

from drills import trickle
from drills.stack import NotSo, Stack
from drills.trickle import USERS, trickling
from tests.stack.harness import eventually


def test_each_user_sends_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trickle, "is_taken", lambda *_: True)

    with trickling(Stack(tmp_path, {}), "key", every_seconds=0.001) as found:
        eventually(lambda: len(found.events) > 2 * USERS)

    assert [event.message_id for event in found.users[1]][:2] == ["key-1", f"key-{1 + USERS}"]
    assert sum(map(len, found.users)) == len(found.events)


def test_what_is_never_acknowledged_ends_the_drill_and_leaves_no_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried = threading.Event()
    monkeypatch.setattr(trickle, "LAST_SECONDS", 0.3)
    monkeypatch.setattr(trickle, "is_taken", lambda *_: tried.set())
    before = threading.active_count()

    with pytest.raises(NotSo, match="not acknowledged"), trickling(Stack(tmp_path, {}), "key", every_seconds=0.001):
        assert tried.wait(10)

    assert threading.active_count() == before
