"""Nodes that lose power, and how long it takes until others have what ran on them."""

from collections.abc import Sequence

from drills.kube import seen
from drills.kube.view import SLICES, View

NOTICED = 120.0  # seconds: of a node's silence until it is called unreachable, 50 of them by default
GIVEN_UP = 120.0  # more until its pods are deleted: 30 as the chart wants, and 10 for each node but one
ELSEWHERE = 60.0


def die(view: View, nodes: Sequence[str], is_full: bool = False) -> None:
    """Returns when all pods work elsewhere; in a full cluster when they wait for room there."""
    timeline, api = view.timeline, view.plane.api
    lost = [seen.name(pod) for pod in view.pods() if seen.node(pod) in nodes]
    there = {seen.role(pod) for pod in view.pods() if seen.node(pod) in nodes}
    roles = sorted(there & set(view.budgets()) - {"valkey"})  # the broker's budget lets its only pod go
    view.nodes.kill(nodes)
    timeline.saw(f"{len(lost)} pods were there")

    def kept() -> object:
        return [seen.name(pod) for pod in view.pods() if seen.name(pod) in lost and not seen.is_leaving(pod)]

    def allowed() -> object:
        found = view.budgets()
        return [one for one in roles if found[one]["status"]["disruptionsAllowed"]]

    timeline.wait("the control plane calls them unreachable", lambda: view.unnoticed(nodes), NOTICED)
    timeline.wait("Services send nothing there any more", lambda: seen.served_by(api.items(*SLICES), nodes), NOTICED)
    timeline.wait("budgets count what is lost", allowed, NOTICED)
    if roles:
        view.expect_refusals(roles, nodes)
    timeline.wait("all of their pods are given up", kept, GIVEN_UP)
    if not is_full:
        timeline.wait("as many as before are ready elsewhere", view.not_whole, ELSEWHERE)
        view.expect_spread()
