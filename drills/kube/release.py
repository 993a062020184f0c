"""The chart in the cluster, installed as docs/howto/deploy.md says, and what stands in for the operators beside it.

Objects of operators' kinds are checked by these kinds' definitions (`kinds`) and stored, and nothing acts on them, but
for KEDA's: an autoscaler that never gets a measurement keeps the fewest pods that the chart asks for.
"""

import base64
import contextlib
import secrets
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from drills.kube import kinds, seen
from drills.kube.api import Api, Object, Refused
from drills.kube.plane import NAMESPACE, Plane
from drills.stack import NotSo, eventually

CHART = Path(__file__).resolve().parents[2] / "deploy/helm/rudderproj"
PRESET = CHART / "values-multi-az.yaml"
KIND_SECONDS = 30.0
DEPLOYMENTS = ("deployments", "apis/apps/v1")
SCALING = "apis/autoscaling/v2"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# What Kubernetes itself checks of each pod, in its strictest form.
STRICT = {"pod-security.kubernetes.io/enforce": "restricted"}


def install(plane: Plane, options: Sequence[str]) -> None:
    """Raises NotSo with helm's words. `options` are helm's."""
    api = plane.api
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": STRICT}})
    keys = {key: base64.b64encode(secrets.token_bytes(32)).decode() for key in ("SECRET_KEY", "SECRETS_KEYS")}
    api.create("secrets", {"metadata": {"name": "rudderproj"}, "stringData": keys})
    chosen = ["rudderproj", str(CHART), "-f", str(PRESET), *options]
    objects = [one for one in yaml.safe_load_all(_helm(plane, "template", *chosen)) if one]
    foreign = kinds.foreign(objects)
    for name in foreign:
        api.ask("POST", DEFINITIONS, kinds.defined()[name])
    for version, kind in foreign:
        eventually(partial(_is_known, api, version, kind), f"the kind {kind}", KIND_SECONDS)
    _helm(plane, "install", *chosen, "--timeout", "5m")
    for one in objects:
        if one["kind"] == "ScaledObject":
            api.create("horizontalpodautoscalers", _as_keda(one), SCALING)


def upgrade(plane: Plane, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Begin it."""
    return plane.start("helm", "upgrade", "rudderproj", str(CHART), "-f", str(PRESET), *options, "--timeout", "5m")


def rollback(plane: Plane) -> subprocess.Popen[bytes]:
    """Begin it, to the release before."""
    return plane.start("helm", "rollback", "rudderproj", "--timeout", "5m")


def deployments(plane: Plane) -> dict[str, Object]:
    """By role."""
    return {seen.role(one): one for one in plane.api.items(*DEPLOYMENTS)}


def rolling(plane: Plane) -> list[str]:
    """The roles that still have pods of before."""
    return seen.rolling(deployments(plane).values())


def wanted(plane: Plane) -> dict[str, int]:
    """How many pods of each role there should be now."""
    return {role: one["spec"]["replicas"] for role, one in deployments(plane).items()}


def set_deadline(plane: Plane, role: str, seconds: int | None) -> None:
    """How long its rollout may make no progress before it is told; None: Kubernetes' own 600 seconds."""
    name = seen.name(deployments(plane)[role])
    plane.api.change(DEPLOYMENTS[0], name, {"spec": {"progressDeadlineSeconds": seconds}}, DEPLOYMENTS[1])


def fewest(plane: Plane) -> dict[str, int]:
    """How many the autoscalers keep, by role. They act when they next look."""
    return {seen.role(one): one["spec"]["minReplicas"] for one in plane.api.items("horizontalpodautoscalers", SCALING)}


def grow(plane: Plane) -> None:
    """As much as the chart allows: the least becomes the most, as if all that is measured asked for it."""
    for one in plane.api.items("horizontalpodautoscalers", SCALING):
        change = {"spec": {"minReplicas": one["spec"]["maxReplicas"]}}
        plane.api.change("horizontalpodautoscalers", seen.name(one), change, SCALING)


def _helm(plane: Plane, *words: str) -> str:
    done = subprocess.run(plane.command("helm", *words), capture_output=True, text=True)
    if done.returncode:
        raise NotSo(f"helm {words[0]}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _is_known(api: Api, version: str, kind: str) -> bool:
    with contextlib.suppress(Refused):
        return any(one["kind"] == kind for one in api.ask("GET", f"/apis/{version}")["resources"])
    return False


def _as_keda(scaled: Object) -> Object:
    """The autoscaler that KEDA makes of one of its objects."""
    spec, metric = scaled["spec"], {"metric": {"name": "s0-prometheus"}, "target": {"type": "Value", "value": "30"}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", **spec["scaleTargetRef"]}
    return {
        "metadata": {"name": f"keda-hpa-{seen.name(scaled)}", "labels": scaled["metadata"]["labels"]},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": spec["minReplicaCount"],
            "maxReplicas": spec["maxReplicaCount"],
            "metrics": [{"type": "External", "external": metric}],
        },
    }
