"""What the chart renders for operators, held against the schemas that these publish for their kinds."""

import copy
import re
from typing import Any

import pytest
import yaml

from drills.kube import kinds
from tests.deploy.chart import CHART, PRESETS, objects
from tests.deploy.strict import faults
from tests.docs.pages import ROOT

Object = dict[str, Any]


def options(**values: str) -> tuple[str, ...]:
    """For helm; `__` stands for the dot in the name of a value."""
    return tuple(word for name, value in values.items() for word in ("--set", f"{name.replace('__', '.')}={value}"))


BACKED_UP = {"postgres__backup__objectStore": "store", "postgres__storage__class": "fast"}
# Values that make an object of an operator another one than the presets make.
FEATURES = {
    "preset": (),
    "everything": options(
        **BACKED_UP,
        monitoring__token="true",
        monitoring__labels__release="prometheus",
        forward__autoscaling__kind="keda",
    ),
    "recovered": options(**BACKED_UP, postgres__recover__serverName="db-0"),
    "recovered to a time": options(
        **BACKED_UP,
        postgres__recover__serverName="db-0",
        postgres__recover__targetTime="2026-11-28T09:00:00Z",
        priorityClass__create="false",
        priorityClass__name="urgent",
    ),
    "elsewhere": (
        *options(nodeSelector__pool="events", **{"imagePullSecrets[0]__name": "mirror"}),
        *("--set-json", 'tolerations=[{"key": "pool", "operator": "Exists", "effect": "NoSchedule"}]'),
    ),
}
KINDS = [
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("postgresql.cnpg.io/v1", "ScheduledBackup"),
]

every_kind = pytest.mark.parametrize("name", KINDS, ids=[kind for _, kind in KINDS])


def rendered(name: kinds.Name, preset: str, *chosen: str) -> list[Object]:
    return [one for one in objects(preset, *chosen) if (one["apiVersion"], one["kind"]) == name]


def test_every_kind_of_an_operator_in_the_chart_is_rendered_here() -> None:
    found = [kinds.foreign(objects(preset, *chosen)) for preset in PRESETS for chosen in FEATURES.values()]
    assert sorted({name for names in found for name in names}) == KINDS
    written = "\n".join(path.read_text() for path in sorted((CHART / "templates").glob("*.yaml")))
    pairs = re.findall(r"^apiVersion: (\S+)\nkind: (\S+)$", written, re.MULTILINE)
    assert len(pairs) == len(re.findall(r"^\s*kind: ", written, re.MULTILINE))
    assert kinds.foreign({"apiVersion": version, "kind": kind} for version, kind in pairs) == KINDS


@pytest.mark.parametrize("preset", PRESETS)
@every_kind
def test_an_operator_takes_every_object_of_its_kind(name: kinds.Name, preset: str) -> None:
    wanted = kinds.schema(name)
    found = [(feature, one) for feature, chosen in FEATURES.items() for one in rendered(name, preset, *chosen)]
    assert found
    for feature, one in found:
        assert faults(one, wanted) == [], feature


def test_an_operator_takes_what_the_pages_give_it() -> None:
    page = (ROOT / "docs/howto/monitor.md").read_text()
    (block,) = [found for found in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "apiVersion:" in found]
    assert faults(yaml.safe_load(block), kinds.schema(("monitoring.coreos.com/v1", "PodMonitor"))) == []


def changed(kind: str, where: str, **wrong: object) -> list[str]:
    """What is wrong with an object of the chart once some fields are set in a part of it."""
    (name,) = [one for one in KINDS if one[1] == kind]
    wanted = kinds.schema(name)
    one = copy.deepcopy(rendered(name, "multi", *FEATURES["everything"])[0])
    inner: Any = one
    for step in where.split("."):
        inner = inner[int(step) if step.isdigit() else step]
    inner.update(wrong)
    return faults(one, wanted)


@pytest.mark.parametrize(
    ("kind", "where", "field"),
    [
        ("ScaledObject", "spec", "minReplicas"),
        ("PodMonitor", "spec.podMetricsEndpoints.0", "ports"),
        ("PrometheusRule", "spec.groups.0.rules.0", "severity"),
        ("Cluster", "spec.postgresql.synchronous", "failoverquorum"),
        ("ScheduledBackup", "spec.cluster", "namespace"),
    ],
)
def test_a_field_that_the_operator_does_not_know_is_refused(kind: str, where: str, field: str) -> None:
    words = f"{where}: Additional properties are not allowed ('{field}' was unexpected)"
    assert changed(kind, where, **{field: "any"}) == [words]


@pytest.mark.parametrize(
    ("kind", "where", "field", "value", "type_"),
    [
        ("ScaledObject", "spec.triggers.0.metadata", "threshold", 30, "string"),
        ("PodMonitor", "spec.podMetricsEndpoints.0", "interval", 15, "string"),
        ("PrometheusRule", "spec.groups.0.rules.0", "labels", "critical", "object"),
        ("Cluster", "spec", "stopDelay", "60", "integer"),
        ("Cluster", "spec.storage", "storageClass", None, "string"),
        ("ScheduledBackup", "spec", "immediate", "true", "boolean"),
    ],
)
def test_a_field_of_another_type_is_refused(kind: str, where: str, field: str, value: object, type_: str) -> None:
    assert changed(kind, where, **{field: value}) == [f"{where}.{field}: {value!r} is not of type '{type_}'"]
