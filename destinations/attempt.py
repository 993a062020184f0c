"""One attempt at an event, or at several: built, sent and judged, and noted as in flight for all that time.

What a link, a probe and an examination share. Must never be called for an event whose lane is not held.
"""

from collections.abc import Sequence

from destinations.lease import Lease
from destinations.outcome import BatchFate, batch_fate
from destinations.plugins.base import BuildError
from destinations.reader import Owed
from destinations.sender import Sender
from destinations.settle import Settler
from destinations.suspects.hands import Hands


async def attempt(owed: Owed, hands: Hands, sender: Sender, settler: Settler, lease: Lease) -> bool | None:
    """Whether the destination took it or refused it for good; None: no request can be made of it, it is aborted."""
    slot = hands.take(owed)
    try:
        request = sender.build(owed)
        answer = await sender.send(owed, request, lease.remaining)
        return settler.answered(owed, request, answer)
    except BuildError as error:
        settler.unbuildable(owed, str(error))
        return None
    finally:
        hands.drop(slot)


async def attempt_together(
    events: Sequence[Owed], hands: Hands, sender: Sender, settler: Settler, lease: Lease
) -> BatchFate:
    """Whether the destination took all of these in one request. If not, nothing is judged of any of them."""
    slots = [hands.take(owed) for owed in events]
    try:
        request = sender.build_together(events)
        answer = await sender.send(events[0], request, lease.remaining, len(events))
        found = batch_fate(answer)
        if found is BatchFate.TAKEN:
            for owed in events:
                settler.answered(owed, request, answer)
        return found
    except BuildError:
        return BatchFate.REFUSED
    finally:
        for slot in slots:
            hands.drop(slot)
