"""What the objects of the API say of our pods. Pure: from what it was told to a judgement, and nothing remembered."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = dict[str, Any]
ROLE = "app.kubernetes.io/component"
SERVICE = "kubernetes.io/service-name"
MAX_SKEW = 1  # what the chart asks for


def condition(one: Object, kind: str) -> Object:
    """Of a pod, a node or a deployment; empty if it has none."""
    return next((found for found in one.get("status", {}).get("conditions", ()) if found["type"] == kind), {})


def role(one: Object) -> str:
    return str(one["metadata"].get("labels", {}).get(ROLE, ""))


def name(one: Object) -> str:
    return str(one["metadata"]["name"])


def node(pod: Object) -> str:
    """Where it is bound to; empty while it waits."""
    return str(pod["spec"].get("nodeName", ""))


def is_leaving(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_there(pod: Object) -> bool:
    """Whether it works, and is to go on."""
    return not is_leaving(pod) and condition(pod, "Ready").get("status") == "True"


def there(pods: Iterable[Object]) -> Counter[str]:
    """How many of each role work."""
    return Counter(role(pod) for pod in pods if is_there(pod))


def is_unreachable(node: Object) -> bool:
    """Whether nothing was heard of it for too long."""
    return condition(node, "Ready").get("status") == "Unknown"


def takes_pods(node: Object) -> bool:
    """Whether it is ready, and nothing keeps pods from it."""
    return condition(node, "Ready").get("status") == "True" and not node["spec"].get("taints")


def lacking(pods: Iterable[Object], wanted: Mapping[str, int]) -> list[str]:
    """Of which roles fewer or more work than are wanted."""
    found = there(pods)
    return [f"{found[one]} of {count} {one}" for one, count in sorted(wanted.items()) if found[one] != count]


def least(low: Counter[str], now: Counter[str]) -> Counter[str]:
    """Of what was counted before, the fewest so far."""
    return Counter({one: min(count, now[one]) for one, count in low.items()})


def dipped(low: Counter[str], promised: Mapping[str, int]) -> list[str]:
    """Of what there was less at some look than must ever be."""
    return [f"{low[one]} of {count} {one}" for one, count in sorted(promised.items()) if low[one] < count]


def images(pods: Iterable[Object]) -> dict[str, set[str]]:
    """What the working pods of each role were made from."""
    found: dict[str, set[str]] = {}
    for pod in filter(is_there, pods):
        found.setdefault(role(pod), set()).update(one["image"] for one in pod["spec"]["containers"])
    return found


def tags(pods: Iterable[Object]) -> dict[str, set[str]]:
    """The releases that the working pods of each role are of."""
    return {one: {image.rpartition(":")[2] for image in found} for one, found in images(pods).items()}


def endings(pods: Iterable[Object]) -> dict[str, int]:
    """How often the container of each pod has ended, which may run again; those that never did are not named."""
    counts = {name(pod): sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ())) for pod in pods}
    return {one: count for one, count in counts.items() if count}


def crashing(pods: Iterable[Object]) -> dict[str, int]:
    """Those whose container ends as often as it is started, and how often it did."""
    return {
        name(pod): one["restartCount"]
        for pod in pods
        if not is_leaving(pod)
        for one in pod["status"].get("containerStatuses", ())
        if one["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
    }


def rolling(deployments: Iterable[Object]) -> list[str]:
    """The roles that still have pods of before, or whose controller has not yet looked."""
    return sorted(
        role(one)
        for one in deployments
        if one["status"].get("observedGeneration", 0) < one["metadata"]["generation"]
        or one["status"].get("updatedReplicas", 0) < one["spec"]["replicas"]
        or one["status"].get("replicas", 0) > one["status"].get("updatedReplicas", 0)
    )


def is_stuck(deployment: Object) -> bool:
    """Whether its rollout is told as one that makes no progress."""
    return condition(deployment, "Progressing").get("reason") == "ProgressDeadlineExceeded"


def jobs(events: Iterable[Object]) -> int:
    """How many Jobs have started a pod, those that are gone among them."""
    told = (one["involvedObject"] for one in events if one["reason"] == "SuccessfulCreate")
    return len({one["uid"] for one in told if one["kind"] == "Job"})


def waiting(pods: Iterable[Object]) -> list[Object]:
    """Those for which there is no room, in the words by which an autoscaler finds them.

    One that takes another's room waits only until that one has left.
    """
    return [
        pod
        for pod in pods
        if not is_leaving(pod)
        and not node(pod)
        and not pod["status"].get("nominatedNodeName")
        and condition(pod, "PodScheduled").get("reason") == "Unschedulable"
    ]


def settled(pods: Sequence[Object], wanted: Mapping[str, int]) -> bool:
    """Whether each pod that is wanted works or waits for room."""
    found = there(pods) + Counter(role(pod) for pod in waiting(pods))
    return all(found[one] == count for one, count in wanted.items())


def by_zone(pods: Iterable[Object], zones: Mapping[str, str]) -> dict[str, Counter[str]]:
    """Of each role how many work in each zone; `zones` by nodes."""
    found: dict[str, Counter[str]] = {}
    for pod in filter(is_there, pods):
        found.setdefault(role(pod), Counter())[zones[node(pod)]] += 1
    return found


def crowded(pods: Iterable[Object], zones: Mapping[str, str], alive: Sequence[str]) -> list[str]:
    """Roles that are not even over the zones that are alive, as far as their number allows."""
    return [
        f"{one} {spread(counts, alive)}"
        for one, counts in sorted(by_zone(pods, zones).items())
        if max(counts[zone] for zone in alive) - min(counts[zone] for zone in alive) > MAX_SKEW
    ]


def spread(counts: Mapping[str, int], alive: Sequence[str]) -> str:
    """`1/1/1`, in the order of zones."""
    return "/".join(str(counts.get(zone, 0)) for zone in alive)


def millicores(amount: str) -> int:
    """Of `2`, `0.5` or `500m`."""
    return int(amount[:-1]) if amount.endswith("m") else round(float(amount) * 1000)


def asked_for(pods: Iterable[Object], on: str) -> int:
    """How many millicores the pods on a node have asked for."""
    containers = (one for pod in pods if node(pod) == on for one in pod["spec"]["containers"])
    return sum(millicores(one["resources"].get("requests", {}).get("cpu", "0")) for one in containers)


def budgeted(budgets: Iterable[Object]) -> dict[str, int]:
    """How many of each role with a budget must stay."""
    return {role(budget): budget["status"]["desiredHealthy"] for budget in budgets}


def served_by(slices: Iterable[Object], nodes: Sequence[str]) -> int:
    """How many addresses on these nodes a Service still sends requests to."""
    found = (point for one in slices for point in one.get("endpoints") or ())
    return sum(point.get("nodeName") in nodes and bool(point["conditions"].get("ready")) for point in found)


def served(slices: Iterable[Object]) -> Counter[str]:
    """How many addresses each Service sends requests to."""
    found: Counter[str] = Counter()
    for one in slices:
        points = one.get("endpoints") or ()
        found[one["metadata"]["labels"][SERVICE]] += sum(bool(point["conditions"].get("ready")) for point in points)
    return found
