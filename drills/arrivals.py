"""What came to destinations of a drill's own, each a path of a sink, against what its trickle sent. Pure."""

import math
from collections.abc import Iterable, Iterator, Sequence

from destinations.oracle.script import Reply
from destinations.oracle.sink import Arrival
from drills.ledger import LATE_SECONDS
from drills.trickle import Sent

Place = tuple[str, str]  # path and message id


def done(arrivals: Iterable[Arrival]) -> dict[Place, float]:
    """When each was there for good, the first time."""
    found: dict[Place, float] = {}
    for arrival in arrivals:
        if arrival.is_final:
            found.setdefault((arrival.path, arrival.message_id), arrival.at)
    return found


def met(arrivals: Iterable[Arrival], reply: Reply) -> int:
    """How many met this answer."""
    return sum(arrival.reply == reply for arrival in list(arrivals))


def owed(events: Iterable[Sent], paths: Iterable[str], came: Iterable[Arrival], now: float) -> int:
    """How many of these have been owed to a path for longer than LATE_SECONDS."""
    at, old = done(list(came)), [event for event in list(events) if event.ended < now - LATE_SECONDS]
    return sum(map(math.isinf, waits(old, paths, at)))


def out_of_order(arrivals: Iterable[Arrival], users: Sequence[Sequence[Sent]]) -> list[Place]:
    """What was done at a path only after a later one of its user had arrived there. `users`: what each has sent."""
    places = {event.message_id: (user, number) for user, sent in enumerate(users) for number, event in enumerate(sent)}
    latest: dict[tuple[str, int], int] = {}
    found, seen = [], set[Place]()
    for arrival in arrivals:
        place = (arrival.path, arrival.message_id)
        if place in seen or arrival.message_id not in places:
            continue
        user, number = places[arrival.message_id]
        last = latest.get((arrival.path, user), -1)
        latest[arrival.path, user] = max(last, number)
        if arrival.is_final:
            seen.add(place)
            found += [place] if last > number else []
    return found


def passed_over(path: str, owed: Sequence[Sequence[Sent]], at: dict[Place, float]) -> Iterator[Place]:
    """What a user was owed there and did not get, though a later one of theirs came: `owed` by user, in order."""
    for events in owed:
        places = [(path, event.message_id) for event in events]
        last = max((number for number, place in enumerate(places) if place in at), default=-1)
        yield from (place for place in places[: max(last, 0)] if place not in at)


def waits(events: Iterable[Sent], paths: Iterable[str], at: dict[Place, float]) -> list[float]:
    """Seconds from acknowledgement to arrival at each path; infinite for what has not arrived."""
    paths = list(paths)
    return [max(0.0, at.get((path, e.message_id), math.inf) - e.ended) for e in events for path in paths]
