"""All drills, in the order in which they run. Those that share a stage stand together: a stage takes its time."""

from collections.abc import Sequence

from drills.drill import Drill
from drills.faults import (
    broker,
    clock,
    configuration,
    database,
    destinations,
    disks,
    failover,
    machines,
    processes,
    restoring,
    rollout,
    tls,
    zones,
)

FAMILIES = (
    processes,
    broker,
    database,
    configuration,
    destinations,
    tls,
    failover,
    disks,
    clock,
    machines,
    rollout,
    zones,
    restoring,
)
DRILLS: Sequence[Drill] = tuple(drill for family in FAMILIES for drill in family.DRILLS)


def chosen(names: Sequence[str], quick: bool) -> list[Drill]:
    """The drills of these names, else all, else the quick ones; in our order, since one may end a stage of several.

    Raises KeyError for a name that is none.
    """
    known = {drill.name: drill for drill in DRILLS}
    if names:
        wanted = [known[name] for name in names]
        return [drill for drill in DRILLS if drill in wanted]
    return [drill for drill in DRILLS if drill.quick_seconds or not quick]
