"""The drill of the chart on a control plane: how what the API tells is judged, and what a run makes of it."""

import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from drills.kube import binaries, kinds, release, scenario, seen
from drills.kube.children import Children
from drills.kube.crashes import BROKEN, CRASHES, MARK, UNSTEADY
from drills.kube.nodes import KUBELET
from drills.kube.timeline import Timeline
from drills.stack import NotSo
from tests.deploy.chart import objects, of_kind, part
from tests.docs.pages import ROOT

ZONES = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
ALL = ["a", "b", "c"]


def pod(role: str, node: str = "", ready: bool = True, leaving: bool = False, reason: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": f"{role}-{node}", "labels": {seen.ROLE: role}}
    conditions: list[dict[str, str]] = []
    if node:
        conditions.append({"type": "Ready", "status": str(ready)})
    if reason:
        conditions.append({"type": "PodScheduled", "status": "False", "reason": reason})
    if leaving:
        metadata["deletionTimestamp"] = "2026-11-30T07:00:00Z"
    spec = {"nodeName": node} if node else {}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions}}


def test_a_pod_is_there_that_is_ready_and_is_to_stay() -> None:
    found = [pod("web", "a1"), pod("web", "b1", ready=False), pod("web", "c1", leaving=True), pod("web")]

    assert seen.there(found) == {"web": 1}
    assert seen.lacking(found, {"web": 3, "beat": 1}) == ["0 of 1 beat", "1 of 3 web"]
    assert seen.lacking(found, {"web": 1}) == []


def test_more_than_is_wanted_is_as_wrong_as_less() -> None:
    assert seen.lacking([pod("web", "a1"), pod("web", "b1")], {"web": 1}) == ["2 of 1 web"]


def test_only_what_the_scheduler_has_tried_in_vain_waits_for_room() -> None:
    tried, fresh, leaving = (
        pod("web", reason="Unschedulable"),
        pod("web"),
        pod("web", reason="Unschedulable", leaving=True),
    )

    takes = pod("valkey", reason="Unschedulable")
    takes["status"]["nominatedNodeName"] = "a1"

    assert seen.waiting([tried, fresh, leaving, takes, pod("web", "a1")]) == [tried]
    assert seen.settled([tried, pod("web", "a1")], {"web": 2})
    assert not seen.settled([tried, fresh], {"web": 2})


def test_a_role_is_crowded_where_a_living_zone_has_two_more_than_another() -> None:
    found = [pod("web", "a1"), pod("web", "a2"), pod("web", "b1"), pod("beat", "a1"), pod("beat", "b1")]

    assert seen.crowded(found, ZONES, ALL) == ["web 2/1/0"]
    assert seen.crowded(found, ZONES, ["a", "b"]) == []
    assert seen.crowded(found, ZONES, ["b", "c"]) == []


def test_a_service_still_sends_to_what_is_ready_there() -> None:
    points = [
        {"nodeName": "a1", "conditions": {"ready": True}},
        {"nodeName": "a1", "conditions": {"ready": False}},
        {"nodeName": "b1", "conditions": {"ready": True}},
    ]

    assert seen.served_by([{"endpoints": points}, {"endpoints": None}], ["a1"]) == 1


def test_of_each_service_only_addresses_that_are_ready_count() -> None:
    web, empty = ({"labels": {seen.SERVICE: name}} for name in ("rudderproj-web", "rudderproj-admin"))
    points = [{"conditions": {"ready": True}}, {"conditions": {"ready": False}}, {"conditions": {}}]

    found = seen.served([{"metadata": web, "endpoints": points}, {"metadata": web, "endpoints": points[:1]}])

    assert found == {"rudderproj-web": 2}
    assert seen.served([{"metadata": empty, "endpoints": None}]) == {"rudderproj-admin": 0}


def test_less_than_was_promised_at_any_look_is_told() -> None:
    low = Counter({"web": 2, "forward": 4, "valkey": 0})

    assert seen.dipped(low, {"web": 3, "forward": 3, "beat": 1}) == ["0 of 1 beat", "2 of 3 web"]
    assert seen.dipped(low, {"web": 2}) == []


def test_the_least_of_what_was_counted_is_kept_and_who_is_gone_is_none() -> None:
    assert seen.least(Counter(web=3, beat=2), Counter(web=2, admin=1)) == {"web": 2, "beat": 0}
    assert seen.least(Counter(web=2), Counter(web=3)) == {"web": 2}


def test_an_image_is_that_of_pods_that_work() -> None:
    found = [pod("web", "a1"), pod("web", "b1"), pod("web", "c1", ready=False), pod("beat", "a1")]
    for one, image in zip(found, ("a:1", "a:2", "a:3", "a:1"), strict=True):
        one["spec"]["containers"] = [{"image": image}]

    assert seen.images(found) == {"web": {"a:1", "a:2"}, "beat": {"a:1"}}


def test_a_release_is_the_tag_of_an_image_whatever_port_its_registry_has() -> None:
    found = [pod("forward", "a1"), pod("forward", "b1"), pod("forward", "c1", ready=False)]
    for one, image in zip(found, ("registry:5000/a:1", "registry:5000/a:2", "registry:5000/a:3"), strict=True):
        one["spec"]["containers"] = [{"image": image}]

    assert seen.tags(found) == {"forward": {"1", "2"}}


def test_endings_of_a_container_count_also_while_it_runs_again() -> None:
    found = [pod("forward", "a1"), pod("forward", "b1", ready=False), pod("web", "a1"), pod("beat")]
    states: tuple[dict[str, Any], ...] = ({"running": {}}, {"waiting": {"reason": "CrashLoopBackOff"}}, {"running": {}})
    for one, count, state in zip(found, (3, 2, 0), states, strict=False):
        one["status"]["containerStatuses"] = [{"restartCount": count, "state": state}]

    assert seen.endings(found) == {"forward-a1": 3, "forward-b1": 2}


def test_a_pod_crashes_whose_container_is_held_back_and_not_one_that_starts_or_leaves() -> None:
    reasons = ("CrashLoopBackOff", "ContainerCreating", "CrashLoopBackOff")
    found = [
        pod("forward", "a1"),
        pod("forward", "b1"),
        pod("forward", "c1", leaving=True),
        pod("web", "a1"),
        pod("web"),
    ]
    for one, reason in zip(found, reasons, strict=False):
        one["status"]["containerStatuses"] = [{"restartCount": 7, "state": {"waiting": {"reason": reason}}}]
    found[3]["status"]["containerStatuses"] = [{"restartCount": 1, "state": {"running": {}}}]

    assert seen.crashing(found) == {"forward-a1": 7}


def deployment(role: str, **status: Any) -> dict[str, Any]:
    metadata = {"name": role, "labels": {seen.ROLE: role}, "generation": 2}
    done = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3}
    return {"metadata": metadata, "spec": {"replicas": 3}, "status": {**done, **status}}


def test_a_role_rolls_until_its_controller_has_looked_and_all_of_before_are_gone() -> None:
    found = [
        deployment("web"),
        deployment("admin", observedGeneration=1),
        deployment("beat", replicas=2, updatedReplicas=2),
        deployment("forward", replicas=4),
    ]

    assert seen.rolling(found) == ["admin", "beat", "forward"]


def test_a_rollout_is_stuck_once_its_deadline_is_over() -> None:
    progress, late = (
        [{"type": "Available", "reason": "ProgressDeadlineExceeded"}, {"type": "Progressing", "reason": reason}]
        for reason in ("ReplicaSetUpdated", "ProgressDeadlineExceeded")
    )

    assert seen.is_stuck(deployment("forward", conditions=late))
    assert not seen.is_stuck(deployment("forward", conditions=progress))
    assert not seen.is_stuck(deployment("forward"))


def test_jobs_are_counted_by_what_they_started_even_when_they_are_gone() -> None:
    def event(kind: str, uid: str, reason: str = "SuccessfulCreate") -> dict[str, Any]:
        return {"reason": reason, "involvedObject": {"kind": kind, "uid": uid}}

    told = [event("Job", "1"), event("Job", "1"), event("Job", "1", "Completed"), event("ReplicaSet", "2")]

    assert seen.jobs(told) == 1
    assert seen.jobs([*told, event("Job", "3"), event("Job", "4", "Completed")]) == 2


def test_a_pod_either_gets_ready_or_crashes_and_an_unsteady_one_does_both_in_turn() -> None:
    stages = {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(KUBELET.read_text())}
    ready, crashes = (stages[name]["selector"]["matchExpressions"][0] for name in ("pod-ready", "pod-crashes"))

    assert ready["key"] == crashes["key"]
    assert (ready["operator"], crashes["operator"]) == ("DoesNotExist", "Exists")
    for word in (f'"{seen.ROLE}"', f'"{CRASHES}"', f'":{BROKEN}"', f".annotations.{MARK} "):
        assert word in crashes["key"]
    turn = r'":unsteady"\)\) and any\(.status.conditions\[\]\?; .type == "Ready" and .status == "True"\)'
    assert re.search(turn.replace("unsteady", UNSTEADY), crashes["key"])
    assert "restartCount: 0" not in stages["pod-ready"]["next"]["statusTemplate"]  # what has ended stays counted


def test_what_is_left_of_a_node_is_what_nobody_there_asked_for() -> None:
    asks = [
        {"resources": {"requests": {"cpu": "500m"}}},
        {"resources": {"requests": {"cpu": "0.5"}}},
        {"resources": {}},
    ]
    found, other = pod("web", "a1"), pod("web", "b1")
    for one in (found, other):
        one["spec"]["containers"] = asks

    assert seen.asked_for([found, other], "a1") == 1000
    assert seen.millicores("2") == 2000


def test_a_node_takes_pods_that_is_ready_and_that_nothing_is_said_against() -> None:
    ready, silent = ({"conditions": [{"type": "Ready", "status": status}]} for status in ("True", "Unknown"))
    taints = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]

    assert seen.takes_pods({"status": ready, "spec": {}})
    assert not seen.takes_pods({"status": ready, "spec": {"taints": taints}})
    assert not seen.takes_pods({"status": silent, "spec": {}})
    assert seen.is_unreachable({"status": silent, "spec": {}})


def test_all_that_was_started_ends_with_the_block_and_an_early_end_is_told(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        stays, ends = children.start("stays", ["sleep", "60"]), children.start("ends", ["false"], ends=True)
        ends.wait()
        children.require_alive()
        children.start("etcd", ["false"]).wait()
        with pytest.raises(NotSo, match="ended by itself: etcd"):
            children.require_alive()

    assert stays.returncode == -signal.SIGKILL


def test_what_does_not_hold_is_kept_and_the_run_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    timeline = Timeline()
    timeline.begin("a node dies")
    timeline.expect(True, "all are back", "")
    timeline.expect(False, "they are even", "crowded: web 3/0/0")

    assert (timeline.held, timeline.broken) == (1, ["a node dies: not so: they are even: crowded: web 3/0/0"])
    assert [row.split(" | ")[0] for row in timeline.render().splitlines()[2:]] == ["| a node dies", "| "]
    assert "FAILED: they are even" in timeline.render()


def test_a_step_that_is_done_twice_has_its_name_in_front_of_both() -> None:
    timeline = Timeline()
    for _ in range(2):
        timeline.begin("`helm rollback`")
        timeline.saw("helm is done")
        timeline.saw("all pods are ready")

    assert [head for head, _, _ in timeline.rows] == ["`helm rollback`", "", "`helm rollback`", ""]


def test_what_never_comes_ends_the_run_and_says_what_was_lacking() -> None:
    timeline = Timeline()
    timeline.begin("a node dies")

    with pytest.raises(NotSo, match=r"a node dies: all are back: not within 0 s: \['1 of 3 web'\]"):
        timeline.wait("all are back", lambda: ["1 of 3 web"], 0)
    assert "FAILED" in timeline.render()


def test_the_scenario_knows_every_budget_and_every_kind_of_an_operator() -> None:
    assert {part(one) for one in of_kind("multi", "PodDisruptionBudget")} == scenario.BUDGETED
    assert kinds.foreign(objects("multi")) == [
        ("keda.sh/v1alpha1", "ScaledObject"),
        ("monitoring.coreos.com/v1", "PodMonitor"),
        ("monitoring.coreos.com/v1", "PrometheusRule"),
        ("postgresql.cnpg.io/v1", "Cluster"),
    ]
    (scaled,) = of_kind("multi", "ScaledObject")
    made = release._as_keda(scaled)
    assert (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (3, 12)
    assert made["spec"]["scaleTargetRef"]["name"] == "rudderproj-forward"


def test_the_page_names_every_step_in_order() -> None:
    page = (ROOT / "docs/howto/drills.md").read_text().partition("## Nodes and zones of Kubernetes")[2]

    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == list(scenario.STEPS)


def test_without_go_it_says_what_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helm").write_text("")
    (tmp_path / "helm").chmod(0o755)
    (tmp_path / "etcd").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CLUSTER_TOOLS", str(tmp_path))

    with pytest.raises(binaries.Missing, match=r"no go, which builds kube-apiserver, .*kwok"):
        binaries.ready()
