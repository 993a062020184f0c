"""`python -m bench`: exit code 1 when an event was lost, repeated or out of order, 2 for wrong use."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from bench import figures, layout, machine, options, page, peer, report, rows
from bench.layout import Layout
from bench.measuring import measured
from bench.scenarios import growth, registry
from bench.scenarios.scenario import STANDARD, Comparison, Scenario
from bench.server import Server


def main() -> int:
    """Measure, print the table, write the results."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    parser = options.parser()
    wanted = parser.parse_args()
    if problem := options.problem(wanted):
        parser.error(problem)
    try:
        scenarios, comparisons = chosen(wanted)
        pids = peer.pids_of(wanted.pids)
    except ValueError as error:
        parser.error(str(error))
    if wanted.list:
        print("\n".join(scenario.name for scenario in scenarios))
        return 0
    if wanted.url:
        has_unconnected = bool(wanted.unconnected_write_key)
        scenarios = [one for one in scenarios if one.is_open and (has_unconnected or not one.is_unconnected)]
        return compare(wanted, scenarios, pids)
    return measure(wanted, scenarios, comparisons)


def measure(wanted: argparse.Namespace, scenarios: Sequence[Scenario], comparisons: Sequence[Comparison]) -> int:
    """Stacks of our own, one for each layout; what was measured is kept after each."""
    described, before = machine.described(), report.before() if wanted.only or wanted.grow else None
    results: list[dict[str, Any]] = []
    document: dict[str, Any] = {}
    for wished, same in groupby(scenarios, lambda scenario: scenario.layout):
        together, turns, measured_before = list(same), [], results
        for each in stacks(together, wanted):
            turns.append(on_a_stack(wished, together, each, described))
            results = [*measured_before, *map(figures.merged, together, zip(*turns, strict=True))]
            document = report.assembled(described, results, comparisons, before)
            report.write(document)
    if not results:
        print("nothing has such a name", file=sys.stderr)
        return 2
    if wanted.page:
        page.write(document)
    return told(document, results)


def stacks(scenarios: Sequence[Scenario], wanted: argparse.Namespace) -> list[argparse.Namespace]:
    """What is wanted of each stack: all runs of the one there is, or, where a run uses it up, one of several."""
    if wanted.quick or not any(scenario.uses_up for scenario in scenarios):
        return [wanted]
    turns = min([wanted.runs, *(scenario.most_runs for scenario in scenarios)])
    return [argparse.Namespace(**vars(wanted) | {"runs": 1})] * turns


def on_a_stack(
    wished: Layout, scenarios: list[Scenario], wanted: argparse.Namespace, described: dict[str, Any]
) -> list[dict[str, Any]]:
    """The scenarios of one layout; what was not known of the machine before is added to what is `described`."""
    with layout.running(wished) as server:
        described["postgresql"] = server.own.query("SHOW server_version")[0][0].partition(" ")[0]
        parts = taking_turns(wished, scenarios)
        return [result for part in parts for result in measured(part, server, wanted)]


def taking_turns(layout: Layout, scenarios: list[Scenario]) -> list[list[Scenario]]:
    """Those that are compared with each other. On the stack of all others one comes to an end before the next begins.

    What a load leaves behind, checkpoints and autovacuum, would be measured with the next; and idling is no load.
    """
    return [[one] for one in scenarios] if layout == STANDARD else [scenarios]


def chosen(wanted: argparse.Namespace) -> tuple[list[Scenario], list[Comparison]]:
    """What is to be measured, those of one layout together. Raises ValueError."""
    scenarios, comparisons = list(registry.SCENARIOS), list(registry.COMPARISONS)
    if wanted.large:
        more, compared = registry.large(wanted.large)
        scenarios, comparisons = scenarios + more, comparisons + compared
    if wanted.grow:
        scenarios = [scenario for text in wanted.grow for scenario in growth.scenarios(text)]
    layouts = list(dict.fromkeys(scenario.layout for scenario in scenarios))
    scenarios.sort(key=lambda scenario: layouts.index(scenario.layout))
    return [scenario for scenario in scenarios if wanted.only in scenario.name], comparisons


def compare(wanted: argparse.Namespace, scenarios: Sequence[Scenario], pids: dict[str, int]) -> int:
    """The other server, and ours beside it if that is wanted: their runs take turns, and each idles meanwhile."""
    results = []
    once = argparse.Namespace(**vars(wanted) | {"runs": 1})
    with contextlib.ExitStack() as running:
        servers = {"": _peer(wanted, pids)}
        if wanted.beside:
            servers[" (ours)"] = layout.running(STANDARD)
        there = {label: running.enter_context(server) for label, server in servers.items()}
        for scenario in scenarios:
            turns = [
                [measured([scenario], server, once)[0] for server in there.values()]
                for _ in range(1 if wanted.quick else wanted.runs)
            ]
            for label, runs in zip(there, zip(*turns, strict=True), strict=True):
                results.append(figures.merged(scenario, runs) | {"name": scenario.name + label})
    document = report.assembled(machine.described(), results, [])
    report.write(document, report.COMPARISON)
    return told(document, results)


def _peer(wanted: argparse.Namespace, pids: dict[str, int]) -> contextlib.AbstractContextManager[Server]:
    return peer.running(wanted.url, wanted.write_key, wanted.sink_port, wanted.unconnected_write_key, pids)


def told(document: dict[str, Any], results: list[dict[str, Any]]) -> int:
    """The table on standard output; the exit code."""
    table = rows.aligned(rows.cells(document["scenarios"], document["comparisons"]))
    print("\n".join([table, *rows.memory(document["scenarios"])]))
    return int(any(figures.wrong(result) for result in results))


if __name__ == "__main__":
    sys.exit(main())
