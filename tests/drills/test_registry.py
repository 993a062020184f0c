"""Which drills are run, and in which order."""

import pytest

from drills import registry


def test_named_drills_run_in_the_order_of_all_whatever_the_order_they_are_named_in() -> None:
    names = [drill.name for drill in registry.DRILLS]
    physical, dump = names.index("restore-physical"), names.index("restore-dump")

    assert physical < dump, "the dump leaves another cluster behind"
    assert [drill.name for drill in registry.chosen(["restore-dump", "kill-web", "restore-physical"], quick=False)] == [
        "kill-web",
        "restore-physical",
        "restore-dump",
    ]


def test_where_ingest_is_not_touched_it_must_go_on() -> None:
    """What kills or stops web, its database or its way to it is left, what no client is refused in at all, and clocks:
    by one that is made for the drill the database takes two to three times as long.
    """
    assert {drill.name for drill in registry.DRILLS if not drill.goes_on} == {
        *("kill-web", "kill-any", "kill-all", "power-cut", "stop", "rollout"),
        *("db-restart", "db-terminate", "db-frozen-insert", "db-connections", "db-failover", "disk-db"),
        *("clock", "midnight"),
        *("machines", "zone-standby", "zone-broker", "zone-primary", "restore-physical", "restore-dump"),
    }


def test_a_name_that_is_none_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing-of-this-name"):
        registry.chosen(["kill-web", "nothing-of-this-name"], quick=False)


def test_without_names_all_run_or_the_quick_ones() -> None:
    assert registry.chosen([], quick=False) == list(registry.DRILLS)
    assert {drill.quick_seconds > 0 for drill in registry.chosen([], quick=True)} == {True}
