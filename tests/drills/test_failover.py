"""The drill that fails over proves something only if the standby lacked what the primary had."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drills.faults import failover
from drills.faults.failover import FollowedStack, fail_over
from tests.drills.test_scene import scene


@dataclass
class Server:
    """In place of PostgreSQL: where its WAL ends, and what it did, in order."""

    name: str
    at: int
    did: list[str]
    waiting: int = 1

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        if sql == failover._CANCEL:
            return [(True,)] * self.waiting
        self.did.append(sql)
        return [(True,)]

    def wal(self, function: str) -> int:
        self.did.append(f"{self.name}: {function}")
        return self.at

    def follow_nobody(self) -> None:
        self.did.append("cut off")

    def kill(self) -> None:
        self.did.append("killed")


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, standby: int, waiting: int = 1) -> tuple[Any, list[str]]:
    """What the drill noted of a primary that had written two KiB, and what was done, in order."""
    monkeypatch.setattr(failover, "LAG_SECONDS", 2.0)
    found = scene(folder, 1000.0)
    monkeypatch.setattr(found, "pause", lambda _: None)
    did: list[str] = []
    stack = FollowedStack(folder, {})
    stack.primary, stack.standby = Server("a", 2048, did, waiting), Server("b", standby, did)  # type: ignore[assignment]
    found.stack = stack
    fail_over(found)
    return found.marks, did


def test_the_standby_is_cut_off_before_commits_wait_and_lacks_what_the_primary_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, did = told(tmp_path, monkeypatch, standby=1024)

    ends = ["a: pg_current_wal_lsn", "killed", "b: pg_last_wal_receive_lsn"]
    assert did == ["cut off", *ends, "SELECT pg_promote()"]
    assert (marks.complaints, marks.notes) == ([], ["2 commits cancelled, 1 KiB of WAL lost"])


def test_a_standby_that_lacks_nothing_proves_nothing_nor_do_commits_of_which_none_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, _ = told(tmp_path, monkeypatch, standby=2048, waiting=0)

    assert marks.complaints == [
        "no commit waited for the standby: that proves nothing",
        "the standby had all that the primary wrote: that proves nothing",
    ]
