"""What the steps of the scenario share: the cluster, its nodes, the timeline, and longer questions."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drills.kube import release, seen
from drills.kube.api import Object
from drills.kube.nodes import ZONE_LABEL, ZONES, Nodes
from drills.kube.plane import Plane
from drills.kube.timeline import Timeline

BUDGETS = ("poddisruptionbudgets", "apis/policy/v1")
SLICES = ("endpointslices", "apis/discovery.k8s.io/v1")
PUBLIC = "rudderproj-web"  # the Service that clients' requests come to
SOON = 60.0  # seconds: for what controllers do as soon as they look
LOOK_SECONDS = 0.1  # between looks at something that must not dip


@dataclass
class View:
    """`dark` are the zones that have no power."""

    plane: Plane
    nodes: Nodes
    timeline: Timeline
    options: Sequence[str] = ()  # for helm
    dark: set[str] = field(default_factory=set)

    @property
    def alive(self) -> list[str]:
        return [zone for zone in ZONES if zone not in self.dark]

    def pods(self) -> list[Object]:
        """Those that are meant to stay: the migration's come and go."""
        self.plane.children.require_alive()
        return [pod for pod in self.plane.api.pods() if seen.role(pod) != "migrate"]

    def zones(self) -> dict[str, str]:
        """By nodes."""
        return {seen.name(one): one["metadata"]["labels"][ZONE_LABEL] for one in self.plane.api.nodes()}

    def not_whole(self) -> object:
        """What is lacking of what the deployments and the autoscalers want."""
        wanted = release.wanted(self.plane)
        behind = [one for one, count in release.fewest(self.plane).items() if wanted[one] < count]
        return behind or seen.lacking(self.pods(), wanted)

    def unnoticed(self, dead: Sequence[str]) -> object:
        """Which of these the control plane still takes for alive."""
        nodes = (one for one in self.plane.api.nodes() if seen.name(one) in dead)
        return [seen.name(one) for one in nodes if not seen.is_unreachable(one)]

    def not_settled(self) -> object:
        """The same, where a pod that waits for room is as good."""
        wanted = release.wanted(self.plane)
        behind = [one for one, count in release.fewest(self.plane).items() if wanted[one] < count]
        pods = self.pods()
        return behind or ([] if seen.settled(pods, wanted) else seen.lacking(pods, wanted))

    def expect_spread(self) -> None:
        """Over the zones that are alive."""
        pods, zones = self.pods(), self.zones()
        found = seen.by_zone(pods, zones)
        words = ", ".join(f"{one} {seen.spread(counts, self.alive)}" for one, counts in sorted(found.items()))
        crowded = seen.crowded(pods, zones, self.alive)
        self.timeline.expect(
            not crowded, f"even over zones {'/'.join(self.alive)}: {words}", f"crowded: {', '.join(crowded)}"
        )

    def lowest(self, is_over: Callable[[], object], seconds: float = math.inf) -> Counter[str]:
        """The fewest pods of each role that worked, and endpoints of each Service, at any look until it was over."""
        low, deadline = self._counts(), time.monotonic() + seconds
        while not is_over() and time.monotonic() < deadline:
            low = seen.least(low, self._counts())
            time.sleep(LOOK_SECONDS)
        return low

    def promised(self) -> dict[str, int]:
        """How many of each role, and of endpoints that clients reach, must be there at every look.

        Of the broker none: it is one pod, which is ended before its successor starts.
        """
        wanted = release.wanted(self.plane)
        return {one: count for one, count in wanted.items() if one != "valkey"} | {PUBLIC: wanted["web"]}

    def _counts(self) -> Counter[str]:
        return seen.there(self.pods()) + seen.served(self.plane.api.items(*SLICES))

    def expect_refusals(self, roles: Sequence[str], dead: Sequence[str] = ()) -> None:
        """No pod of these may be evicted now, since their budget is used up."""
        pods = [pod for pod in self.pods() if seen.is_there(pod) and seen.node(pod) not in dead]
        asked = {seen.role(pod): seen.name(pod) for pod in pods if seen.role(pod) in roles}
        let_go = [one for one, pod in sorted(asked.items()) if self.plane.api.evict(pod)]
        self.timeline.expect(
            bool(asked) and not let_go,
            f"no other pod may be evicted: 429 for {', '.join(sorted(asked))}",
            f"went: {', '.join(let_go) or 'nobody was there to be asked for'}",
        )

    def waiting(self) -> Counter[str]:
        """How many of each role wait for room."""
        return Counter(map(seen.role, seen.waiting(self.pods())))

    def finds_room(self, seconds: float) -> bool:
        """Whether nobody waits any more within that time."""
        deadline = time.monotonic() + seconds
        while self.waiting() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        return not self.waiting()

    def budgets(self) -> dict[str, Object]:
        return {seen.role(one): one for one in self.plane.api.items(*BUDGETS)}
