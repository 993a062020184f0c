"""What operators rely on: backups, Flower's wall, roles that fail alone, presets explained, runbooks of alerts."""

import math
import re
from typing import Any

import pytest
import yaml

from tests.deploy.chart import CHART, PRESETS, containers, of_kind, part, pods, template, text
from tests.deploy.product import VARIABLES
from tests.docs.pages import ROOT, Page

FLOWER = ("--set", "flower.enabled=true")
BACKUP = ("--set", "postgres.backup.objectStore=s3")
RECOVERED = (*BACKUP, "--set", "postgres.recover.serverName=db-1", "--set", "postgres.backup.serverName=db-2")
BARMAN = "barman-cloud.cloudnative-pg.io"

both = pytest.mark.parametrize("preset", PRESETS)


def cluster(*options: str) -> dict[str, Any]:
    (found,) = of_kind("multi", "Cluster", *options)
    spec: dict[str, Any] = found["spec"]
    return spec


def leaves(value: Any, path: str = "") -> list[str]:
    """The dotted names of a values file; settings as one, since each is a row of another page."""
    if not isinstance(value, dict) or path == "settings":
        return [path]
    return [leaf for key, one in value.items() for leaf in leaves(one, f"{path}.{key}".strip("."))]


def alerts() -> list[dict[str, Any]]:
    """The repository's rules and the chart's own."""
    (found,) = of_kind("multi", "PrometheusRule")
    return [rule for group in found["spec"]["groups"] for rule in group["rules"]]


@both
def test_a_role_that_crashes_takes_no_other_with_it(preset: str) -> None:
    """Each has a Deployment of its own, and no pod waits for another's."""
    deployed = [part(one) for one in of_kind(preset, "Deployment", *FLOWER)]
    assert len(set(deployed)) == len(deployed)
    for name, pod in pods(preset, *FLOWER).items():
        assert [one["name"] for one in pod["containers"]] == [name]
        assert "initContainers" not in pod
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            asked = pod["containers"][0].get(probe, {}).get("httpGet", {})
            assert "host" not in asked, name


@both
def test_flower_is_asked_for_a_password_and_reached_by_nobody(preset: str) -> None:
    found = dict(containers(preset, *FLOWER))["flower"]
    (login,) = (one for one in found["env"] if one["name"] == "FLOWER_BASIC_AUTH")
    assert login["valueFrom"]["secretKeyRef"] == {"name": "rudderproj", "key": "FLOWER_BASIC_AUTH"}
    assert "flower" not in text(of_kind(preset, "Ingress", *FLOWER))
    (service,) = (one for one in of_kind(preset, "Service", *FLOWER) if part(one) == "flower")
    assert "type" not in service["spec"]  # of the cluster alone
    assert "flower" not in {part(one) for one in of_kind(preset, "NetworkPolicy", *FLOWER)}
    assert "flower" not in pods(preset)


def test_without_a_store_there_is_no_backup_and_with_one_there_are_both_kinds() -> None:
    assert "plugins" not in cluster()
    assert of_kind("multi", "ScheduledBackup") == []
    (archive,) = cluster(*BACKUP)["plugins"]
    assert (archive["name"], archive["isWALArchiver"]) == (BARMAN, True)
    assert archive["parameters"] == {"barmanObjectName": "s3", "serverName": "db-1"}
    (backup,) = of_kind("multi", "ScheduledBackup", *BACKUP)
    assert backup["spec"]["cluster"] == {"name": of_kind("multi", "Cluster", *BACKUP)[0]["metadata"]["name"]}
    assert (backup["spec"]["method"], backup["spec"]["pluginConfiguration"]) == ("plugin", {"name": BARMAN})


def test_a_cluster_is_recovered_from_one_archive_and_writes_another() -> None:
    spec = cluster(*RECOVERED, "--set", "postgres.recover.targetTime=2026-11-28T09:00:00Z")
    recovery = spec["bootstrap"]["recovery"]
    (source,) = spec["externalClusters"]
    assert recovery["source"] == source["name"]
    assert (recovery["database"], recovery["owner"]) == ("rudderproj", "rudderproj")
    assert recovery["recoveryTarget"] == {"targetTime": "2026-11-28T09:00:00Z"}
    assert source["plugin"]["parameters"] == {"barmanObjectName": "s3", "serverName": "db-1"}
    assert spec["plugins"][0]["parameters"]["serverName"] == "db-2"
    assert "recoveryTarget" not in cluster(*RECOVERED)["bootstrap"]["recovery"]


def test_an_archive_is_not_written_over_by_the_cluster_that_came_out_of_it() -> None:
    refused = template("multi", *BACKUP, "--set", "postgres.recover.serverName=db-1")
    assert refused.returncode != 0
    assert "must not archive where the lost one did" in refused.stderr


GRACE = {"web": 60, "admin": 60, "forward": 90, "alerts": 60, "beat": 30}


def needed(
    web: int, admin: int, forward: int, alerts: int, beat: int, threads: int = 8, processes: int = 8, apart: int = 15
) -> str:
    """Connections of so many pods, a surge of one each, and of those that may still be ending in a rollout."""
    of_web, of_forward = threads + 6, 2 * processes + 4
    pods = {"web": (web, of_web), "admin": (admin, of_web), "forward": (forward, of_forward)}
    pods |= {"alerts": (alerts, 12), "beat": (beat, 4)}
    ending = {name: min(count, math.ceil(GRACE[name] / apart)) for name, (count, _) in pods.items()}
    return str(20 + sum((count + 1 + ending[name]) * each for name, (count, each) in pods.items()))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ((), needed(12, 2, 12, 2, 2)),
        (("--set", "web.autoscaling.enabled=false"), needed(3, 2, 12, 2, 2)),
        (("--set", "forward.autoscaling.kind="), needed(12, 2, 3, 2, 2)),
        (("--set-string", r"forward.autoscale=16\,1"), needed(12, 2, 12, 2, 2, processes=16)),
        (("--set", "settings.WEB_THREADS=20"), needed(12, 2, 12, 2, 2, threads=20)),
        (("--set", "minReadySeconds=0"), needed(12, 2, 12, 2, 2, apart=5)),
    ],
)
def test_the_database_takes_the_connections_of_all_pods_that_there_may_be(
    options: tuple[str, ...], wanted: str
) -> None:
    assert VARIABLES["WEB_THREADS"].default == "8"
    assert {name: pods("multi")[name]["terminationGracePeriodSeconds"] for name in GRACE} == GRACE
    assert cluster(*options)["postgresql"]["parameters"]["max_connections"] == wanted


def test_the_page_says_how_many_that_are() -> None:
    (said,) = re.findall(r"(\d+) with\s+`values-multi-az.yaml`", (ROOT / "docs/howto/deploy.md").read_text())
    assert said == cluster()["postgresql"]["parameters"]["max_connections"]


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("web.autoscaling.maxReplicas=13", "maxReplicas"),
        ("forward.autoscaling.maxReplicas=13", "maxReplicas"),
        ("alerts.replicas=3", "replicas"),
        (r"forward.autoscale=16\,1", "forward.autoscale"),
        ("settings.WEB_THREADS=9", "WEB_THREADS"),
        ("forward.graceSeconds=120", "graceSeconds"),
        ("minReadySeconds=30", "minReadySeconds"),
    ],
)
def test_who_scales_is_told_that_the_database_is_started_anew(option: str, named: str) -> None:
    """PostgreSQL takes another max_connections at its start alone."""
    kind = "--set-string" if "," in option else "--set"
    connections = [cluster(*options)["postgresql"]["parameters"]["max_connections"] for options in ((), (kind, option))]
    assert connections[0] != connections[1]
    seen = (ROOT / "docs/runbooks/upgrade.md").read_text().partition("## What to do")[0]
    assert f"`{named}`" in seen
    assert "`max_connections`" in seen


@both
def test_every_line_of_a_preset_is_explained(preset: str) -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text()
    heading = {"single": "One zone", "multi": "Several zones"}[preset]
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    explained = " ".join(re.findall(r"`([^`]+)`", section))
    for leaf in leaves(yaml.safe_load((CHART / f"values-{preset}-az.yaml").read_text())):
        assert leaf in explained or leaf.split(".")[0] in explained.split(), leaf


def test_it_is_said_where_forwarding_is_scaled_and_by_what_it_should_not_be() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text()
    rows = {
        heading: page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].splitlines()
        for heading in ("One zone", "Several zones")
    }
    assert not of_kind("single", "ScaledObject")
    (row,) = (line for line in rows["One zone"] if line.startswith("| no `forward.autoscaling` |"))
    assert "KEDA" in row
    (row,) = (line for line in rows["Several zones"] if line.startswith("| `forward.autoscaling.kind: keda` |"))
    assert "rate limit" in row


def test_every_alert_has_a_page_that_names_it() -> None:
    for rule in alerts():
        page = ROOT / rule["annotations"]["runbook"]
        assert rule["alert"] in page.read_text(), (rule["alert"], page)


def test_every_runbook_says_the_same_three_things_and_is_in_the_index() -> None:
    index = Page(ROOT / "docs/runbooks/README.md")
    books = {path for path in (ROOT / "docs/runbooks").glob("*.md") if path != index.path}
    assert len(books) == 9
    assert books <= {path for path, _ in index.links}
    for book in books:
        assert re.findall(r"^## (.+)$", book.read_text(), re.MULTILINE) == [
            "What you see",
            "What to do",
            "What not to do",
        ]


def test_alerts_and_incidents_that_a_runbook_names_exist() -> None:
    known = {rule["alert"] for rule in alerts()}
    incidents = (ROOT / "alerts/incidents/kinds.py").read_text()
    for path in (ROOT / "docs/runbooks").glob("*.md"):
        words = re.findall(r"`([^`\n]+)`", path.read_text())
        assert {word for word in words if re.fullmatch(r"Rudderproj\w+", word)} <= known, path.name
        for found in re.findall(r"incidents? `(\w+)`", path.read_text()):
            assert f'"{found}"' in incidents, (path.name, found)
