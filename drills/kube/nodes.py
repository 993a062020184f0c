"""Nodes in three zones: for each a process that plays its kubelet, which is killed as a machine is.

What a node is asked to run is ready after five seconds and takes nothing (`kubelet.yaml`); what it has room for is
counted by the scheduler.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from drills.kube import seen
from drills.kube.plane import Plane

ZONES = ("a", "b", "c")
ZONE_LABEL = "topology.kubernetes.io/zone"
ROOM = {"cpu": "2", "memory": "8Gi", "pods": "110", "ephemeral-storage": "50Gi"}
KUBELET = Path(__file__).with_name("kubelet.yaml")
LEASE_SECONDS = 40  # a kubelet's default


class Nodes:
    """By their names: `a1` is the first of zone a."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers: dict[str, int] = {}

    def add(self, names: Iterable[str]) -> None:
        """New machines, as an autoscaler would order them, or in the beginning."""
        for name in names:
            self._numbers[name] = len(self._numbers) + 1
            self._plane.api.ask("POST", "/api/v1/nodes", _node(name))
            self.power_on([name])

    def power_on(self, names: Iterable[str]) -> None:
        for name in names:
            command = [
                *(str(self._plane.programs["kwok"]), f"--kubeconfig={self._plane.kubeconfig}"),
                *(f"--manage-single-node={name}", f"--node-lease-duration-seconds={LEASE_SECONDS}"),
                f"--config={KUBELET}",
                f"--cidr=10.1.{self._numbers[name]}.0/24",
            ]
            self._running[name] = self._plane.children.start(f"node-{name}", command)

    def kill(self, names: Iterable[str]) -> None:
        """Nobody is told."""
        for name in names:
            self._plane.children.end(self._running.pop(name))

    def of(self, zone: str) -> list[str]:
        """Those with power."""
        return sorted(name for name in self._running if zone_of(name) == zone)

    def next_in(self, zones: Iterable[str]) -> list[str]:
        """What new ones would be called, one in each."""
        counts = {zone: sum(zone_of(name) == zone for name in self._numbers) for zone in zones}
        return [f"{zone}{count + 1}" for zone, count in counts.items()]

    def stuff(self) -> None:
        """Pods of somebody else, which nobody would miss, take all that is left."""
        api = self._plane.api
        pods = api.ask("GET", "/api/v1/pods")["items"]
        for name in self._running:
            left = seen.millicores(ROOM["cpu"]) - seen.asked_for(pods, name)
            api.ask("POST", "/api/v1/namespaces/default/pods", _stuffing(name, left))

    def open(self, name: str) -> None:
        """To new pods, after a drain."""
        self._plane.api.ask("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": False}})


def zone_of(name: str) -> str:
    return name[:1]


def _stuffing(node: str, millicores: int) -> dict[str, object]:
    container = {"name": "other", "image": "other", "resources": {"requests": {"cpu": f"{millicores}m"}}}
    return {"metadata": {"name": f"other-{node}"}, "spec": {"nodeName": node, "containers": [container]}}


def _node(name: str) -> dict[str, object]:
    labels = {ZONE_LABEL: zone_of(name), "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"capacity": ROOM, "allocatable": ROOM},
    }
