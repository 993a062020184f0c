"""What a link's senders are sent on, when the link is told to stop; no database, no network."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from destinations import errand
from destinations.allowance import Allowance, Bounds
from destinations.errand import CHECKPOINT_EVENTS, Errand
from destinations.outcome import BatchFate
from destinations.outlook import Outlook
from destinations.reader import Owed
from destinations.turns import Turns
from tests.forwarding.test_courier import owed, run, until


def test_who_waits_for_room_is_not_kept_waiting_for_a_checkpoint_once_told_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a database error nobody checkpoints any more, and the lanes are given up when nothing is in flight."""

    async def work() -> None:
        turns, answered = Turns(None, 1), asyncio.Event()
        settler: Any = SimpleNamespace(settled=CHECKPOINT_EVENTS - 1)

        async def attempt_together(events: Sequence[Owed], *_: Any) -> BatchFate:
            await answered.wait()
            settler.settled += len(events)
            return BatchFate.TAKEN

        monkeypatch.setattr(errand, "attempt_together", attempt_together)
        allowance = Allowance(Bounds(4, 4, requests=1), 5, None, turns)
        sender: Any = SimpleNamespace(allowance=allowance, turns=turns, may_go_together=lambda _: True)
        lease: Any = SimpleNamespace(is_good=True)
        hands: Any = None
        made = Errand(lease, sender, settler, hands, Outlook(), None)
        courier = made.courier()
        for number in range(5):
            courier.add(owed(f"together{number}", 0))
        await until(lambda: len(courier.flying) == 5)
        alone = owed("alone", 0)
        alone.is_row = True
        courier.add(alone)
        await until(lambda: len(courier.flying) == 6)
        courier.stop()
        made.make_room()
        answered.set()
        await until(lambda: not courier.flying)
        await courier.cancel()

    run(work)
