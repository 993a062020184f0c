"""The same load with more of something: what does the cost grow with? Chosen by `--grow KIND=VALUE,VALUE…`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench.layout import Layout
from bench.scenarios import flow
from bench.scenarios.driving import Load
from bench.scenarios.scenario import Figure, Scenario

DELIVERIES_PER_SECOND = 2000.0  # stored for each second of a run: what many destinations are behind with has to end
LEAST_PER_SECOND = 100.0  # or what an event costs is what passes meanwhile
TRICKLE_PER_SECOND = 50.0
RATE = Figure("delivered_per_second", "deliveries/s")


@dataclass(frozen=True)
class Kind:
    """Something that can grow."""

    meaning: str
    layout: Callable[[float], Layout]
    load: Callable[[float], Load]


def _fixed(_: float) -> Layout:
    return Layout()


KINDS = {
    "destinations": Kind(
        "destinations of the one source",
        lambda value: Layout(destinations=int(value)),
        lambda value: Load(at_most=max(LEAST_PER_SECOND, DELIVERIES_PER_SECOND / value)),
    ),
    "sources": Kind(
        "sources of the one destination, each with users of its own",
        lambda value: Layout(sources=int(value)),
        lambda value: Load(connections=max(16, int(value)), at_most=DELIVERIES_PER_SECOND),
    ),
    "trickles": Kind(
        f"sources of the one destination, which together send {TRICKLE_PER_SECOND:.0f} events a second",
        lambda value: Layout(sources=int(value)),
        lambda value: Load(users=200, connections=max(10, int(value)), batch=1, rate=TRICKLE_PER_SECOND),
    ),
    "rate": Kind(
        "events a second, one by one",
        _fixed,
        lambda value: Load(users=200, connections=32, batch=1, rate=value),
    ),
    "bytes": Kind("size of an event", _fixed, lambda value: Load(size=int(value), at_most=DELIVERIES_PER_SECOND)),
    "days": Kind(
        "days of 20,000 events each in the log",
        lambda value: Layout(days=int(value)),
        lambda _: Load(at_most=DELIVERIES_PER_SECOND),
    ),
    "filled": Kind(
        "events that yesterday and today have already, with a checkpoint just before",
        lambda value: Layout(filled=int(value)),
        lambda _: Load(at_most=DELIVERIES_PER_SECOND),
    ),
    "users": Kind("users", _fixed, lambda value: Load(users=int(value), at_most=DELIVERIES_PER_SECOND)),
    "skew": Kind(
        "Zipf's exponent of users: 0 none, 1 usual",
        _fixed,
        lambda value: Load(skew=value, at_most=DELIVERIES_PER_SECOND),
    ),
}


def scenarios(wanted: str) -> Iterator[Scenario]:
    """One for each value of `bytes=200,2000,32768`. Raises ValueError."""
    name, _, values = wanted.partition("=")
    if name not in KINDS or not values:
        raise ValueError(f"not KIND=VALUE,… with a kind of {', '.join(KINDS)}: {wanted}")
    kind = KINDS[name]
    for value in map(float, values.split(",")):
        through = partial(flow.through, load=kind.load(value))
        yield Scenario(f"growth: {name} {value:g}", RATE, through, kind.layout(value))
