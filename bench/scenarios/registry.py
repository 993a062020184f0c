"""The list of everything that is measured, with what it is meant to reach on two cores."""

from functools import partial

from bench.layout import Layout
from bench.scenarios import drain, flow, hung, idle, pending
from bench.scenarios.driving import Load
from bench.scenarios.scenario import Comparison, Figure, Scenario

SINGLE = Load(connections=64, batch=1)
HUNDREDS = Load(batch=100)
ONE_USER = Load(users=1, connections=1, batch=20, at_most=500)
FIFTY = Layout(destinations=50)
PILED_UP = Layout(label="pending")  # nothing else is measured on what that leaves behind
LARGE_RUNS = 5  # six minutes each
BESIDE = Load(users=200, connections=10, batch=1, rate=4)  # 200 deliveries a second: 500 take both cores whole
WORKERS_SINK_MS = 20.0
SLOW_SINK_MS = 200.0
SIXTY_FOUR = Layout(environ=(("FORWARD_CONCURRENCY_MOST", "64"),))
SMALL_BACKLOG = 50_000


def _accepted(name: str, load: Load, reach: float) -> Scenario:
    figure, once = Figure("accepted_per_second", "events/s", reach), partial(flow.accepted, load=load)
    return Scenario(name, figure, once, is_open=True, is_unconnected=True)


def _delivered(reach: float | None = None) -> Figure:
    return Figure("delivered_per_second", "events/s", reach)


def _paced(rate: float, p95_ms: float) -> Scenario:
    load = Load(users=200, connections=10 if rate < 100 else 32, batch=1, rate=rate)
    figure = Figure("latency_ms.p95", "ms p95", p95_ms, is_most=True)
    return Scenario(f"{rate:.0f} per second", figure, partial(flow.through, load=load), is_open=True)


def _workers(count: int) -> Scenario:
    # One link for each process, each with few requests in flight, so that a process mostly waits for the sink.
    environ = (
        ("FORWARD_AUTOSCALE", f"{count},{count}"),
        ("FORWARD_SHARE", str(count)),
        ("FORWARD_CONCURRENCY", "16"),
        ("FORWARD_CONCURRENCY_MOST", "16"),
    )
    once = partial(drain.drain, events_per_second=400.0 * count, answer_ms=WORKERS_SINK_MS)
    return Scenario(f"workers: {count}", _delivered(), once, Layout(environ=environ))


def _slow_sink(name: str, layout: Layout) -> Scenario:
    once = partial(drain.drain, events_per_second=600.0, answer_ms=SLOW_SINK_MS)
    return Scenario(name, _delivered(), once, layout)


def _pending(events: int, is_last: bool) -> Scenario:
    once = partial(pending.pending, events=events, waits=not is_last)
    name = f"{events:,} pending"
    return Scenario(name, _delivered(), once, PILED_UP, warm_up_seconds=0, most_runs=LARGE_RUNS, uses_up=is_last)


SCENARIOS = (
    Scenario(
        "idle", Figure("idle_percent", "% of a core", 3.0, is_most=True), idle.idle, warm_up_seconds=0, most_runs=5
    ),
    _accepted("single events, accepted only", SINGLE, 2500),
    Scenario("single events in and out", _delivered(2300), partial(flow.through, load=SINGLE), is_open=True),
    Scenario("batches of 20", _delivered(7000), partial(flow.through, load=Load()), is_open=True),
    _accepted("batches of 100, accepted only", HUNDREDS, 25_000),
    Scenario("backlog, one destination", _delivered(10_000), partial(drain.drain, events_per_second=5000.0)),
    _paced(50, 30),
    _paced(500, 60),
    Scenario(
        "one user, sink of 1 ms", _delivered(500), partial(flow.through, load=ONE_USER, answer_ms=1.0), is_open=True
    ),
    Scenario(
        "backlog, five destinations",
        _delivered(10_000),
        partial(drain.drain, events_per_second=5000.0),
        Layout(destinations=5),
    ),
    _slow_sink("backlog, sink of 200 ms, 64 at once", SIXTY_FOUR),
    _slow_sink("backlog, sink of 200 ms", Layout(label="slow")),
    Scenario(
        "backlog, batches of 50 to the destination",
        _delivered(),
        partial(drain.drain, events_per_second=10_000.0),
        Layout(batch_events=50),
    ),
    Scenario(
        "fifty destinations", Figure("latency_ms.p99", "ms p99"), partial(hung.others, load=BESIDE, hangs=False), FIFTY
    ),
    Scenario(
        "one of fifty hangs", Figure("latency_ms.p99", "ms p99"), partial(hung.others, load=BESIDE, hangs=True), FIFTY
    ),
    *(_workers(count) for count in (1, 2, 4)),
)
COMPARISONS = (
    Comparison(
        "p99 of the others, one of fifty hangs ÷ none hangs",
        "one of fifty hangs",
        "fifty destinations",
        Figure("latency_ms.p99", "×", 1.1, is_most=True),
    ),
    *(
        Comparison(
            f"workers {count} → {2 * count}, of a doubling",
            f"workers: {2 * count}",
            f"workers: {count}",
            Figure("delivered_per_second", "×", 0.85),
            factor=2.0,
        )
        for count in (1, 2)
    ),
)


def large(events: int) -> tuple[list[Scenario], list[Comparison]]:
    """A backlog of so many events, against a small one."""
    few, many = _pending(min(SMALL_BACKLOG, events // 2), is_last=False), _pending(events, is_last=True)
    drained = Comparison(
        f"backlog: {many.name} ÷ {few.name}", many.name, few.name, Figure("delivered_per_second", "×", 0.9)
    )
    claimed = Comparison(
        f"a claim: {many.name} ÷ {few.name}", many.name, few.name, Figure("claim_ms.median", "×", 1.5, is_most=True)
    )
    return [few, many], [drained, claimed]
