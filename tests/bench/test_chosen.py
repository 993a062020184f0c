"""What the command line chooses to measure."""

import pytest

from bench import options, spy
from bench.__main__ import chosen, stacks, taking_turns
from bench.layout import UNCONNECTED, Layout
from bench.peer import pids_of
from bench.scenarios import growth, registry
from bench.scenarios.scenario import STANDARD

FIFTY = ("fifty destinations", "one of fifty hangs")


def names(*arguments: str) -> list[str]:
    return [scenario.name for scenario in chosen(options.parser().parse_args(arguments))[0]]


def test_scenarios_of_one_layout_are_measured_one_after_the_other() -> None:
    layouts = [scenario.layout for scenario in chosen(options.parser().parse_args([]))[0]]
    changes = [layout for layout, former in zip(layouts, [None, *layouts], strict=False) if layout != former]

    assert len(changes) == len(set(layouts))


def test_only_what_is_compared_takes_turns() -> None:
    calm, hung = (next(one for one in registry.SCENARIOS if one.name == name) for name in FIFTY)

    assert taking_turns(calm.layout, [calm, hung]) == [[calm, hung]]
    assert taking_turns(STANDARD, [calm, hung]) == [[calm], [hung]]


def test_who_leaves_no_stack_to_others_has_one_for_each_run() -> None:
    scenarios, _ = registry.large(5000)
    wanted = options.parser().parse_args(["--runs", "2", "--seconds", "3"])

    found = stacks(scenarios, wanted)

    assert [(one.runs, one.seconds) for one in found] == [(1, 3.0), (1, 3.0)]
    assert stacks(list(registry.SCENARIOS), wanted) == [wanted]
    assert len(stacks(scenarios, options.parser().parse_args([]))) == registry.LARGE_RUNS


def test_comparisons_name_scenarios_that_there_are() -> None:
    scenarios, comparisons = chosen(options.parser().parse_args(["--large", "1000"]))

    assert {name for one in comparisons for name in (one.of, one.to)} <= {scenario.name for scenario in scenarios}
    assert len({scenario.name for scenario in scenarios}) == len(scenarios)


def test_growth_is_measured_instead_and_only_takes_what_it_knows() -> None:
    assert names("--grow", "destinations=1,100", "--grow", "bytes=200") == [
        "growth: destinations 1",
        "growth: bytes 200",
        "growth: destinations 100",
    ]
    with pytest.raises(ValueError, match="KIND=VALUE"):
        list(growth.scenarios("cats=3"))


def test_only_what_is_named_is_measured() -> None:
    assert names("--only", "workers") == ["workers: 1", "workers: 2", "workers: 4"]


def test_another_server_is_measured_by_what_needs_no_command_of_ours() -> None:
    assert [scenario.name for scenario in registry.SCENARIOS if scenario.is_open] == [
        "single events, accepted only",
        "single events in and out",
        "batches of 20",
        "batches of 100, accepted only",
        "50 per second",
        "500 per second",
        "one user, sink of 1 ms",
    ]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--url", "https://h"], "http://HOST:PORT"),
        (["--url", "http://h:1"], "--write-key"),
        (["--url", "http://h:1", "--write-key", "k", "--sink-port", "1", "--large"], "--large"),
        (["--large", "--profile"], "--profile"),
        ([], ""),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], word: str) -> None:
    problem = options.problem(options.parser().parse_args(arguments))

    assert word in problem
    assert bool(problem) == bool(word)


def test_pids_are_told_by_role() -> None:
    assert pids_of("web=12, postgres=34") == {"web": 12, "postgres": 34}
    assert pids_of("") == {}


def test_every_source_of_a_layout_but_one_is_connected_to_every_destination() -> None:
    document = Layout(destinations=2, sources=2).document(7)

    assert [source["name"] for source in document["sources"]] == ["bench-0", "bench-1", UNCONNECTED]
    assert [(one["name"], one["sources"]) for one in document["destinations"]] == [
        ("d0", ["bench-0", "bench-1"]),
        ("d1", ["bench-0", "bench-1"]),
    ]


def test_the_busiest_functions_are_told_with_what_they_took_themselves_and_with_what_they_called() -> None:
    stacks = ["main (a.py:1);work (a.py:2) 3", "main (a.py:1) 1"]

    assert spy.busiest(stacks) == [" 75.0 %  75.0 %  work (a.py:2)", " 25.0 % 100.0 %  main (a.py:1)"]
