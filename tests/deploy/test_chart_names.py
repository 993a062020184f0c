"""Names that somebody else gave: of the release, and of objects that the chart's values name."""

import json
import subprocess

import pytest
import yaml

from drills.kube import kinds
from tests.deploy.chart import CHART, LOADER, helm, objects, template
from tests.deploy.strict import faults, valid

WORDS = (  # values that are names of other objects
    "existingSecret",
    "caSecret",
    "imagePullSecrets[0].name",
    "priorityClass.name",
    "monitoring.namespace",
    "networkPolicy.ingressNamespace",
    "ingress.className",
    "ingress.tlsSecret",
    "postgres.topologyKey",
    "postgres.storage.class",
    "postgres.backup.objectStore",
    "postgres.backup.serverName",
    "postgres.recover.serverName",
)


def named(release: str) -> subprocess.CompletedProcess[str]:
    return helm("template", release, str(CHART), "-f", str(CHART / "values-multi-az.yaml"))


@pytest.mark.parametrize("release", ["123", "1e3", "1-rudderproj", "events.shop"])
def test_a_release_whose_services_would_be_refused_is_refused_before(release: str) -> None:
    """Helm takes these names, and Kubernetes all objects but Services, half-way through an installation."""
    done = named(release)
    assert done.returncode != 0
    assert f"release name {release}: Services and the database are called {release}" in done.stderr


@pytest.mark.parametrize("release", ["null", "true", "e3"])
def test_a_release_may_be_called_by_what_yaml_has_a_meaning_for(release: str) -> None:
    done = named(release)
    assert done.returncode == 0, done.stderr
    assert valid(done.stdout) > 20
    found = [one for one in yaml.load_all(done.stdout, LOADER) if one]
    assert {one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in found} == {release}
    (monitor,) = (one for one in found if one["kind"] == "PodMonitor")
    assert monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"] == release


@pytest.mark.parametrize("kind", ["cloudnative", "external"])
def test_a_name_that_looks_like_something_else_stays_a_name(kind: str) -> None:
    """Kubernetes lets namespaces, Secrets and classes be called 123."""
    odd = {name: f"1{number:02}" for number, name in enumerate(WORDS)}
    odd |= {"ingress.tlsSecret": "null", "postgres.storage.class": "true"}
    said = tuple(word for name, value in odd.items() for word in ("--set-string", f"{name}={value}"))
    options = (*said, "--set", f"flower.enabled=true,postgres.kind={kind},monitoring.token=true")
    done = template("multi", *options)
    assert done.returncode == 0, done.stderr
    assert valid(done.stdout) > 20
    whole = json.dumps(objects("multi", *options))
    for name, value in odd.items():
        if kind == "cloudnative" or not name.startswith("postgres."):
            assert json.dumps(value) in whole, name
    found = [one for one in objects("multi", *options) if kinds.is_foreign(one)]
    assert [faults(one, kinds.schema((one["apiVersion"], one["kind"]))) for one in found] == [[]] * len(found)
