"""Whether a fault was felt as it must be, by what the ledger says of its time. Pure: moments are monotonic seconds.

Must never say that it was when there was nothing to see it by: who asks complains of that too.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from drills.ledger import Ledger


def accepted_between(ledger: Ledger, began: float, ended: float) -> int:
    """How many events were accepted between these moments."""
    return sum(began < at < ended for at in ledger.accepted.values())


def gone_ahead(ledger: Ledger, began: float, ended: float) -> int:
    """How many of these had arrived before the second moment, until which they had to wait."""
    between = (event for event, at in ledger.accepted.items() if began < at < ended)
    return sum(event in ledger.delivered and ledger.delivered[event] < ended for event in between)


def held_up(ledger: Ledger, began: float, ended: float) -> set[int]:
    """The users who were owed something at the first moment, and to whom nothing came until the second."""
    served = served_since(ledger, began, ended)
    owed = (event.user for event, at in ledger.accepted.items() if at < began and event not in ledger.delivered)
    late = (
        event.user
        for event, at in ledger.delivered.items()
        if at >= ended and ledger.accepted.get(event, ended) < began
    )
    return {*owed, *late} - served


def served_since(ledger: Ledger, began: float, ended: float = float("inf")) -> set[int]:
    """The users to whom something came between these moments."""
    return {event.user for event, at in ledger.delivered.items() if began <= at < ended}


def missed(counts: Mapping[str, int], least: Mapping[str, int]) -> list[str]:
    """What was hit less often than at least, in words."""
    hit = {what: counts.get(what, 0) for what in least}
    return [
        f"{hit[what]} {what} were hit: at least {few} prove something" for what, few in least.items() if hit[what] < few
    ]


def tried_once(tries: Iterable[tuple[float, str]]) -> set[str]:
    """The events of which there is one try so far."""
    return {event for event, times in Counter(event for _, event in tries).items() if times == 1}


def too_soon(tries: Iterable[tuple[float, str]], seconds: float) -> int:
    """How many tries of an event came sooner than so many seconds after the one before, which had asked for these."""
    last: dict[str, float] = {}
    count = 0
    for at, event in tries:
        count += event in last and at - last[event] < seconds
        last[event] = at
    return count
