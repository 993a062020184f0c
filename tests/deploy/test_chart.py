"""The chart for one zone and for several: valid, and with every property that a lost node or zone needs."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from drills.kube import kinds
from rudderproj import VERSION
from tests.deploy.chart import CHART, LOADER, PRESETS, containers, helm, objects, of_kind, part, pods, template, text
from tests.deploy.product import EXACT_TAG, OTHERS, VARIABLES, command, programs
from tests.docs.pages import ROOT
from tests.metrics.test_deploy import METRIC, known

KUBERNETES = ("1.30", "1.34")
ALL = ("--set", "flower.enabled=true", "--set", "monitoring.token=true")
# Beat has no port: its guard ends with it, and that none is there is an incident.
UNPROBED = {"beat", "migrate"}
ROLES = {"admin": "web"}

both = pytest.mark.parametrize("preset", PRESETS)


def replicas(preset: str) -> dict[str, int]:
    """How many pods of each component there are at least."""
    found = {part(one): one["spec"].get("replicas", 0) for one in of_kind(preset, "Deployment", *ALL)}
    for scaler in of_kind(preset, "HorizontalPodAutoscaler", *ALL):
        found[part(scaler)] = scaler["spec"]["minReplicas"]
    for scaler in of_kind(preset, "ScaledObject", *ALL):
        found[part(scaler)] = scaler["spec"]["minReplicaCount"]
    return found


def product(preset: str) -> dict[str, dict[str, Any]]:
    """The containers of the product itself."""
    return {name: one for name, one in containers(preset, *ALL) if name not in {"valkey", "away"}}


@both
def test_helm_finds_nothing_wrong(preset: str) -> None:
    done = helm("lint", "--strict", str(CHART), "-f", str(CHART / f"values-{preset}-az.yaml"))
    assert done.returncode == 0, done.stdout
    assert "[ERROR]" not in done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", KUBERNETES)
@both
def test_kubernetes_takes_every_object(preset: str, version: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jsonschema's, about how its caller resolves references
        for one in objects(preset, *ALL):
            if not kinds.is_foreign(one):  # those are held against what operators say: test_operators.py
                kubernetes_validate.validate(one, version, strict=True)


@both
def test_every_process_runs_with_its_own_command(preset: str) -> None:
    found = product(preset)
    assert {ROLES.get(name, name) for name in found} == {*programs(), "migrate"}
    for name, container in found.items():
        if name != "migrate":
            assert container["command"] == command(ROLES.get(name, name)), name
    assert found["migrate"]["command"] == ["python", "manage.py", "migrate", "--no-input"]


def test_a_pod_autoscales_its_processes_as_told() -> None:
    found = dict(containers("single", "--set-string", r"forward.autoscale=32\,4"))
    assert found["forward"]["command"] == command("forward", "32,4")


@both
def test_every_variable_is_a_setting_and_set_once(preset: str) -> None:
    for name, container in product(preset).items():
        names = [variable["name"] for variable in container["env"]]
        assert len(set(names)) == len(names), name
        assert set(names) - OTHERS <= set(VARIABLES), name


@both
def test_no_secret_is_a_value_or_in_a_configmap(preset: str) -> None:
    secret = {name for name, variable in VARIABLES.items() if variable.secret} | {"FLOWER_BASIC_AUTH"}
    for name, container in product(preset).items():
        for variable in container["env"]:
            if variable["name"] in secret and variable["name"] != "CELERY_BROKER_URL":
                assert "secretKeyRef" in variable["valueFrom"], (name, variable["name"])
            assert "@" not in variable.get("value", ""), (name, variable["name"])
    for config in of_kind(preset, "ConfigMap", *ALL):
        assert not [word for word in secret if word in text(config["data"])]
    assert of_kind(preset, "Secret", *ALL) == []


def test_a_setting_arrives_as_it_was_written(tmp_path: Path) -> None:
    """Helm reads every number of a file as a float."""
    given = {"INGEST_MAX_BODY_BYTES": 4194304, "FORWARD_SHARE": 0.5, "METRICS_OPEN": False, "ADMIN_USER": "007"}
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps({"settings": given}))
    env = dict(containers("single", "-f", str(file)))["web"]["env"]
    found = {one["name"]: one["value"] for one in env if one["name"] in given}
    expected = {
        "INGEST_MAX_BODY_BYTES": "4194304",
        "FORWARD_SHARE": "0.5",
        "METRICS_OPEN": "false",
        "ADMIN_USER": "007",
    }
    assert found == expected


@both
def test_a_secret_cannot_be_given_as_a_setting(preset: str) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "FORWARD_BUDGET"):
        assert template(preset, "--set-string", f"settings.{name}=x").returncode != 0, name
    assert template(preset, "--set-string", "settings.FORWARD_BUDGET_SECONDS=4").returncode == 0


@both
def test_a_container_that_comes_back_is_known_and_a_pod_that_is_new_is_not(preset: str) -> None:
    """Its identity, and what its guard noted, last as long as the pod does."""
    for name, container in product(preset).items():
        fields = {one["name"]: one["valueFrom"]["fieldRef"] for one in container["env"] if "fieldRef" in text(one)}
        assert fields == {"NODE_ID": {"fieldPath": "metadata.name"}, "RUN_ID": {"fieldPath": "metadata.uid"}}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {"/tmp": "tmp", "/data/lives": "lives", "/data/run": "run"}
        volumes = {volume["name"]: volume for volume in pods(preset, *ALL)[name]["volumes"]}
        assert all("emptyDir" in volumes[volume] for volume in mounts.values())


@both
def test_no_pod_may_do_more_than_it_must(preset: str) -> None:
    for name, pod in pods(preset, *ALL).items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # a Service's variables could be taken for settings
    for name, container in containers(preset, *ALL):
        locked = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert container["securityContext"] == locked, name


@both
def test_every_container_says_what_it_needs(preset: str) -> None:
    for name, container in containers(preset, *ALL):
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}, name
        assert "memory" in container["resources"]["limits"], name


@both
def test_every_container_is_probed(preset: str) -> None:
    probed = {name for name, one in containers(preset, *ALL) if {"readinessProbe", "livenessProbe"} <= set(one)}
    assert probed == set(pods(preset, *ALL)) - UNPROBED
    for name in ("web", "admin"):
        container = product(preset)[name]
        assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
        assert container["livenessProbe"]["httpGet"]["path"] == "/health"  # which never depends on the database


@both
def test_every_probe_asks_a_port_that_there_is(preset: str) -> None:
    offsets = {"web": 9100, "admin": 9100, "forward": 9101, "alerts": 9102}
    for name, container in containers(preset, *ALL):
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            if "httpGet" in container.get(probe, {}):
                assert container[probe]["httpGet"]["port"] in ports, name
        if name in offsets:
            assert ports["metrics"] == offsets[name]


@both
def test_a_pod_is_given_longer_to_end_than_it_may_take(preset: str) -> None:
    for name, pod in pods(preset, *ALL).items():
        program = programs().get(ROLES.get(name, name))
        if program:
            hook = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["", 0])
            assert pod["terminationGracePeriodSeconds"] > int(hook[1]) + program.stop_seconds, name
    longest = sum(float(VARIABLES[name].default) for name in ("FORWARD_BUDGET_SECONDS", "FORWARD_TIMEOUT_SECONDS"))
    assert pods(preset)["forward"]["terminationGracePeriodSeconds"] > longest


@both
def test_what_is_asked_from_outside_leaves_the_load_balancer_first(preset: str) -> None:
    for name in ("web", "admin", "away"):
        command = pods(preset)[name]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        assert command == ["sleep", "10"]


@both
def test_whatever_runs_has_a_budget_that_lets_a_drain_go_on(preset: str) -> None:
    budgets = {part(one): one["spec"] for one in of_kind(preset, "PodDisruptionBudget", *ALL)}
    assert set(budgets) == set(replicas(preset))
    deployed = {part(one): one["spec"]["selector"] for one in of_kind(preset, "Deployment", *ALL)}
    for name, budget in budgets.items():
        assert budget["maxUnavailable"] == 1
        assert "minAvailable" not in budget
        assert budget["selector"] == deployed[name]


@both
def test_an_update_takes_no_pod_away_before_another_is_ready(preset: str) -> None:
    for one in of_kind(preset, "Deployment", *ALL):
        if part(one) not in {"valkey", "away"}:
            assert one["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


@both
def test_a_lost_node_is_given_up_within_half_a_minute(preset: str) -> None:
    for pod in pods(preset, *ALL).values():
        waits = {one["key"]: one["tolerationSeconds"] for one in pod["tolerations"]}
        assert waits == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}


def test_with_several_zones_every_pod_is_spread_over_them_and_a_dead_zone_counts_for_nothing() -> None:
    for one in of_kind("multi", "Deployment", *ALL):
        spread = {rule["topologyKey"]: rule for rule in one["spec"]["template"]["spec"]["topologySpreadConstraints"]}
        zone = spread["topology.kubernetes.io/zone"]
        assert (zone["whenUnsatisfiable"], zone["maxSkew"]) == ("DoNotSchedule", 1), part(one)
        assert zone["nodeTaintsPolicy"] == "Honor"
        assert zone["labelSelector"]["matchLabels"] == one["spec"]["selector"]["matchLabels"]
        assert "kubernetes.io/hostname" in spread
    assert {replicas("multi")[name] for name in ("web", "forward")} == {3}


@pytest.mark.parametrize(
    ("preset", "key"), [("single", "kubernetes.io/hostname"), ("multi", "topology.kubernetes.io/zone")]
)
def test_a_commit_is_in_two_places_that_do_not_die_together(preset: str, key: str) -> None:
    (cluster,) = of_kind(preset, "Cluster")
    spec = cluster["spec"]
    assert spec["instances"] == 3
    wanted = {"method": "any", "number": 1, "dataDurability": "required", "failoverQuorum": True}
    assert spec["postgresql"]["synchronous"] == wanted
    assert (spec["affinity"]["podAntiAffinityType"], spec["affinity"]["topologyKey"]) == ("required", key)
    for container in product(preset).values():
        url = next(one for one in container["env"] if one["name"] == "DATABASE_URL")
        assert url["valueFrom"]["secretKeyRef"] == {"name": f"{cluster['metadata']['name']}-app", "key": "uri"}


@pytest.mark.parametrize(
    ("kind", "when"), [("external", "pre-install,pre-upgrade"), ("cloudnative", "post-install,pre-upgrade")]
)
def test_the_database_is_migrated_before_new_code_and_with_little_patience_for_locks(kind: str, when: str) -> None:
    (job,) = of_kind("multi", "Job", "--set", f"postgres.kind={kind}")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == when
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "default"  # the chart's own is not there yet
    assert {"name": "DATABASE_LOCK_SECONDS", "value": "3"} in pod["containers"][0]["env"]


def test_database_and_broker_may_be_elsewhere() -> None:
    options = ("--set", "postgres.kind=external", "--set", "valkey.enabled=false")
    assert of_kind("multi", "Cluster", *options) == []
    assert "valkey" not in pods("multi", *options)
    for _, container in containers("multi", *options):
        keys = {
            one["name"]: one["valueFrom"]["secretKeyRef"]["key"]
            for one in container.get("env", ())
            if "secretKeyRef" in text(one)
        }
        assert not keys or (keys["DATABASE_URL"], keys["CELERY_BROKER_URL"]) == ("DATABASE_URL", "CELERY_BROKER_URL")


@both
def test_every_image_has_an_exact_version(preset: str) -> None:
    images = [container["image"] for _, container in containers(preset, *ALL)]
    images += [cluster["spec"]["imageName"] for cluster in of_kind(preset, "Cluster")]
    for image in images:
        assert EXACT_TAG.fullmatch(image), image
    assert {one["image"] for one in product(preset).values()} == {f"registry.example.com/rudderproj:{VERSION}"}
    assert template(preset, "--set", "image.tag=latest").returncode != 0


@both
def test_public_processes_serve_the_public_and_others_do_not(preset: str) -> None:
    public = {name for name, one in product(preset).items() if {"name": "PUBLIC_ONLY", "value": "1"} in one["env"]}
    assert public == {"web"}
    (ingress,) = of_kind(preset, "Ingress")
    assert re.findall(r'"service": {"name": "([\w-]+)"', text(ingress["spec"])) == ["rudderproj-web"]


@both
def test_while_no_web_pod_is_ready_clients_are_told_when_to_come_back(preset: str) -> None:
    (ingress,) = of_kind(preset, "Ingress")
    backend = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/default-backend"]
    (service,) = [one for one in of_kind(preset, "Service") if one["metadata"]["name"] == backend]
    assert service["spec"]["selector"]["app.kubernetes.io/component"] == "away"
    (config,) = [one for one in of_kind(preset, "ConfigMap") if part(one) == "away"]
    for line in (
        f"add_header Retry-After {VARIABLES['RETRY_AFTER_SECONDS'].default} always;",
        "add_header Access-Control-Expose-Headers Retry-After always;",
        "return 503;",
    ):
        assert line in config["data"]["default.conf"]
    assert config["data"]["default.conf"].count("add_header Access-Control-Allow-Origin * always;") == 2


def test_it_tells_them_what_the_web_process_would() -> None:
    away = [
        one for one in of_kind("multi", "ConfigMap", "--set", "settings.RETRY_AFTER_SECONDS=40") if part(one) == "away"
    ]
    assert "add_header Retry-After 40 always;" in away[0]["data"]["default.conf"]


@both
def test_prometheus_has_the_token(preset: str) -> None:
    (monitor,) = of_kind(preset, "PodMonitor", *ALL)
    assert monitor["spec"]["podMetricsEndpoints"][0]["authorization"]["credentials"]["key"] == "METRICS_TOKEN"


def dashboard(namespace: str, release: str = "rudderproj") -> tuple[str, str]:
    """The name of its file, and the file."""
    done = helm("template", release, str(CHART), "-n", namespace, "--set", "monitoring.enabled=true")
    found = [one for one in yaml.load_all(done.stdout, LOADER) if one and one["kind"] == "ConfigMap"]
    ((name, text),) = next(one["data"] for one in found if one["metadata"]["name"].endswith("-dashboard")).items()
    return name, text


def test_the_dashboard_is_that_of_the_repository_and_of_this_release_alone() -> None:
    name, text = dashboard("events")
    assert name == "events-rudderproj.json"
    for metric in re.findall(r"rudderproj_\w+", text):
        assert text.count(metric) == text.count(f'{metric}{{namespace=\\"events\\"'), metric
    ours, theirs = json.loads(text), json.loads((ROOT / "deploy/helm/rudderproj/files/dashboard.json").read_text())
    unscoped = json.loads(text.replace('{namespace=\\"events\\", ', "{").replace('{namespace=\\"events\\"}', ""))
    assert unscoped == theirs | {name: ours[name] for name in ("uid", "title")}


def test_two_releases_have_two_dashboards() -> None:
    """A uid is 40 characters at most."""
    found = [dashboard("events"), dashboard("shop"), dashboard("events", "rudderproj-b")]
    assert len({name for name, _ in found}) == len(found)
    for key in ("uid", "title"):
        assert len({json.loads(text)[key] for _, text in found}) == len(found)
    assert all(len(json.loads(text)["uid"]) <= 40 for _, text in found)


def test_workers_are_scaled_by_metrics_that_there_are() -> None:
    (scaler,) = of_kind("multi", "ScaledObject")
    age, work = (METRIC.findall(trigger["metadata"]["query"]) for trigger in scaler["spec"]["triggers"])
    assert "rudderproj_oldest_pending_age_seconds" in age
    assert "rudderproj_destination_behind_seconds" in work
    assert {*age, *work} <= set(known())


def test_workers_are_not_scaled_by_a_metric_that_would_be_added_up_over_pods() -> None:
    assert template("multi", "--set", "forward.autoscaling.kind=hpa").returncode != 0
    scaled = {part(one) for one in of_kind("multi", "HorizontalPodAutoscaler")}
    assert scaled == {"web"}  # by CPU, each pod's own


@both
def test_nothing_reaches_a_pod_unless_a_policy_names_it(preset: str) -> None:
    policies = {part(one): one["spec"] for one in of_kind(preset, "NetworkPolicy", *ALL)}
    default = policies.pop("default")
    assert set(default["podSelector"]["matchExpressions"][0]["values"]) == set(pods(preset, *ALL))
    assert default["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default
    assert "169.254.0.0/16" in text(default["egress"])
    assert all(rule["from"] for policy in policies.values() for rule in policy["ingress"])


def test_settings_of_the_schema_are_those_of_the_product() -> None:
    """But secrets, and what the chart sets itself."""
    names = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["propertyNames"]["enum"]
    set_here = {one["name"] for _, container in containers("multi", *ALL) for one in container.get("env", ())}
    presets = {
        name
        for preset in PRESETS
        for name in yaml.safe_load((CHART / f"values-{preset}-az.yaml").read_text())["settings"]
    }
    elsewhere = {"WEB_PORT", "DATA_DIR", "FORWARD_AUTOSCALE", "FLOWER_USER"}
    free = {name for name, variable in VARIABLES.items() if not variable.secret}
    assert set(names) == free - (set_here - presets - {"INSTANCE_ID"}) - elsewhere  # that one unless a setting says it
