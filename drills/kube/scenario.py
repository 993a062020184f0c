"""What is done to the cluster, step by step, and what must hold after each. Times are Kubernetes' own defaults.

A step leaves every pod ready; the last one may leave a zone dark.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from drills.kube import release, seen
from drills.kube.crashes import broken_release, crash_loop, unsteady_release
from drills.kube.deaths import GIVEN_UP, NOTICED, die
from drills.kube.nodes import ZONES, zone_of
from drills.kube.rollouts import replace
from drills.kube.view import SOON, View

DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data")  # as docs/howto/deploy.md says
ROUNDS = 4  # of nodes that are added, one in each zone, which is more than is needed
ROUND_SECONDS = 20.0  # for the scheduler to try again
WIDE = 4  # nodes of a zone that loses all but one: three is the fewest at which Kubernetes takes the zone for disturbed
STAY_SECONDS = 90.0  # 30 as the chart wants, and 10 for each node, are over by then
NEXT = "next"  # the tag of another image
BUDGETED = {"web", "admin", "forward", "alerts", "beat", "away", "valkey"}
SEVERAL = BUDGETED - {"valkey"}  # the broker's budget lets its only pod go


def install(view: View) -> None:
    """From nothing."""
    view.nodes.add(f"{zone}{number}" for zone in ZONES for number in (1, 2))
    view.timeline.begin("`helm install`")
    release.install(view.plane, view.options)
    view.timeline.saw("helm is done; the migration's Job ran; pods pass the `restricted` standard")
    view.timeline.wait("all pods are ready", view.not_whole, SOON)
    view.expect_spread()


def budgets(view: View) -> None:
    """One pod of each role of several is evicted: no other may go until its successor is ready, some seconds later."""
    timeline, found = view.timeline, view.budgets()
    timeline.begin("one pod of each role is evicted, then another")
    timeline.expect(set(found) == BUDGETED, f"{len(found)} budgets", f"those of {sorted(found)}")
    first = {seen.role(pod): seen.name(pod) for pod in view.pods() if seen.role(pod) in SEVERAL}
    stayed = [one for one, pod in sorted(first.items()) if not view.plane.api.evict(pod)]
    timeline.expect(not stayed, f"one may: {', '.join(sorted(first))}", f"stayed: {', '.join(stayed)}")
    view.expect_refusals(sorted(SEVERAL))
    timeline.wait("all pods are ready", view.not_whole, SOON)
    view.expect_spread()


def drain(view: View) -> None:
    """The fullest nodes of two zones have to go, both at once: two of a role may not."""
    timeline, nodes = view.timeline, _fullest(view)[:2]
    timeline.begin(" and ".join(f"`kubectl drain {node}`" for node in nodes))
    least = seen.budgeted(view.budgets().values())
    running = [view.plane.start("kubectl", "drain", node, *DRAIN, "--timeout=2m") for node in nodes]
    low = view.lowest(lambda: all(process.poll() is not None for process in running))
    codes = [process.returncode for process in running]
    timeline.expect(not any(codes), "the drains came to their end", f"exit codes {codes}")
    below = [f"{low[one]} {one}" for one, count in least.items() if low[one] < count]
    timeline.expect(not below, "meanwhile no role was below its budget", ", ".join(below))
    timeline.wait("all pods are ready elsewhere", view.not_whole, SOON)
    left = [seen.name(pod) for pod in view.pods() if seen.node(pod) in nodes]
    timeline.expect(not left, "the nodes are empty", ", ".join(left))
    view.expect_spread()
    for node in nodes:
        view.nodes.open(node)


def upgrade(view: View) -> None:
    """To a new image: the migration first, then pod by pod."""
    view.timeline.begin("`helm upgrade` to another image")
    process = release.upgrade(view.plane, [*view.options, "--set", f"image.tag={NEXT}"])
    replace(view, process, "helm")
    images = set[str]().union(*seen.images(view.pods()).values())
    old = {image for image in images if "rudderproj" in image and not image.endswith(f":{NEXT}")}
    view.timeline.expect(not old, "all pods of ours are of it", ", ".join(old))
    view.expect_spread()


def node_dies(view: View) -> None:
    """The one with the broker on it, and it comes back."""
    node = _of_broker(view)
    view.timeline.begin(f"node {node} loses power")
    die(view, [node])
    _power_on(view, [node])


def zone_dies(view: View) -> None:
    """The one with the broker in it: all its nodes at once, and they come back."""
    zone = zone_of(_of_broker(view))
    nodes = _lose(view, zone)
    _power_on(view, nodes)
    view.dark.clear()


def part_of_zone_dies(view: View) -> None:
    """All its nodes but one: pods stay bound to those that are noticed last, until somebody takes the nodes away."""
    zone, timeline = zone_of(_of_broker(view)), view.timeline
    while len(view.nodes.of(zone)) < WIDE:
        view.nodes.add(view.nodes.next_in([zone]))
    restart(view)  # so that the new ones have pods too
    on = Counter(seen.node(pod) for pod in view.pods())
    nodes = sorted(view.nodes.of(zone), key=lambda node: on[node])[1:]
    timeline.begin(f"{len(nodes)} of {WIDE} nodes of zone {zone} lose power: {', '.join(nodes)}")
    lost = {seen.name(pod) for pod in view.pods() if seen.node(pod) in nodes}
    view.nodes.kill(nodes)
    timeline.wait("the control plane calls them unreachable", lambda: view.unnoticed(nodes), NOTICED)
    time.sleep(STAY_SECONDS)
    stayed = [pod for pod in view.pods() if seen.name(pod) in lost and not seen.is_leaving(pod)]
    words = f"{len(stayed)} of {len(lost)} pods are bound to them still"
    timeline.expect(bool(stayed), words, "all were given up")
    timeline.begin(f"`kubectl delete node {' '.join(nodes)}`")
    done = view.plane.start("kubectl", "delete", "node", *nodes).wait(SOON)
    timeline.expect(not done, "they are no nodes any more", f"exit code {done}")
    timeline.wait("all pods are ready elsewhere", view.not_whole, GIVEN_UP)
    view.expect_spread()
    view.nodes.add(view.nodes.next_in([zone]))  # as many as it had


def restart(view: View) -> None:
    """As docs/runbooks/zone-lost.md ends, since nothing moves pods back to a zone that is there again."""
    words = ("rollout", "restart", "deployment")
    view.timeline.begin(f"`kubectl {' '.join(words)}`")
    replace(view, view.plane.start("kubectl", *words), "kubectl")
    view.expect_spread()


def fill(view: View) -> None:
    """More pods are wanted than there is room for: they wait where an autoscaler sees them, until it brings nodes."""
    view.timeline.begin("web and forward grow to the most that the chart allows")
    release.grow(view.plane)
    _wait_for_room(view)


def full_zone_dies(view: View) -> None:
    """A zone of a cluster without a core to spare: what was there fits nowhere until nodes are added elsewhere."""
    view.nodes.stuff()
    _lose(view, zone_of(_of_broker(view)), is_full=True)
    _wait_for_room(view)


_ALL: Sequence[Callable[[View], None]] = (
    *(install, budgets, drain, upgrade, broken_release, unsteady_release, crash_loop),
    *(node_dies, zone_dies, part_of_zone_dies, restart, fill, full_zone_dies),
)
STEPS = {step.__name__.replace("_", "-"): step for step in _ALL}  # in this order, the first one always


def _lose(view: View, zone: str, is_full: bool = False) -> list[str]:
    nodes = view.nodes.of(zone)
    view.timeline.begin(f"zone {zone} loses power: nodes {', '.join(nodes)}")
    view.dark.add(zone)
    die(view, nodes, is_full)
    return nodes


def _power_on(view: View, nodes: Sequence[str]) -> None:
    view.timeline.begin(f"power is back: {', '.join(nodes)}")
    view.nodes.power_on(nodes)

    def gone() -> object:
        unready = [seen.name(one) for one in view.plane.api.nodes() if not seen.takes_pods(one)]
        return unready or [seen.name(pod) for pod in view.pods() if seen.is_leaving(pod)]

    view.timeline.wait("pods may go there again, and what was there before is gone", gone, SOON)
    view.timeline.expect(not (lacks := view.not_whole()), "not a pod more or less than before", str(lacks))


def _wait_for_room(view: View) -> None:
    timeline = view.timeline
    timeline.wait("each pod runs, or waits for room", view.not_settled, SOON)
    waiting = view.waiting()
    words = ", ".join(f"{count} {one}" for one, count in sorted(waiting.items()))
    timeline.expect(bool(waiting), f"pods wait as an autoscaler asks: {words}", "none waits: nodes were too large")
    # All forwarding waits for the broker, and there is one.
    timeline.expect(not waiting["valkey"], "the broker does not wait", "it does, behind pods that are less needed")
    view.expect_spread()
    for _ in range(ROUNDS):
        added = view.nodes.next_in(view.alive)
        view.nodes.add(added)
        timeline.saw(f"nodes {', '.join(added)} are added")
        if view.finds_room(ROUND_SECONDS):
            break
    timeline.wait("all pods are ready", view.not_whole, SOON)
    view.expect_spread()


def _fullest(view: View) -> list[str]:
    """The node with most pods on it of each zone, the fullest first."""
    counts = Counter(seen.node(pod) for pod in view.pods())
    ranked = sorted(counts, key=lambda node: (-counts[node], node))
    return [next(node for node in ranked if zone_of(node) == zone) for zone in dict.fromkeys(map(zone_of, ranked))]


def _of_broker(view: View) -> str:
    """The node that the broker is on."""
    return next(seen.node(pod) for pod in view.pods() if seen.role(pod) == "valkey" and seen.is_there(pod))
