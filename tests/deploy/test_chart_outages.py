"""What the chart must have while something is away: broker, node, zone, operator, the web pods themselves."""

import json
import re
from typing import Any

import pytest
import yaml

from rudderproj.stack.postgres import SETTINGS
from tests.deploy.chart import PRESETS, containers, objects, of_kind, part, pods, template, text
from tests.deploy.product import VARIABLES, programs
from tests.docs.pages import ALL as PAGES
from tests.docs.pages import ROOT

FLOWER = ("--set", "flower.enabled=true")
WEBHOOK = ROOT / "destinations/plugins/webhook/schema.json"
LONGEST_ANSWER = json.loads(WEBHOOK.read_text())["properties"]["timeout_seconds"]["maximum"]
ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"

both = pytest.mark.parametrize("preset", PRESETS)


def values(name: str) -> dict[str, Any]:
    """Ours for another's chart."""
    path = ROOT / f"deploy/helm/{name}-values.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


@both
def test_a_worker_that_starts_while_the_broker_is_away_is_not_killed_for_it(preset: str) -> None:
    """Its metrics port opens once it has found the broker; liveness asks no sooner than startup has answered."""
    for name in ("forward", "alerts"):
        container = dict(containers(preset))[name]
        startup, liveness = container["startupProbe"], container["livenessProbe"]
        assert startup["httpGet"] == liveness["httpGet"]
        assert startup["periodSeconds"] * startup["failureThreshold"] > 30 * 86400
    assert {name for name, one in containers(preset, *FLOWER) if "startupProbe" in one} == {"forward", "alerts"}


@both
def test_pods_reach_pods_where_a_network_plugin_matches_none_by_its_address(preset: str) -> None:
    (policy,) = (one for one in of_kind(preset, "NetworkPolicy") if part(one) == "default")
    peers = [peer for rule in policy["spec"]["egress"] for peer in rule.get("to", ())]
    assert {"namespaceSelector": {}} in peers
    assert [peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer] == ["0.0.0.0/0", "::/0"]


@both
def test_a_pod_that_is_gone_and_not_withdrawn_yet_is_answered_for_too(preset: str) -> None:
    (ingress,) = of_kind(preset, "Ingress")
    said = {key.rpartition("/")[2]: value for key, value in ingress["metadata"]["annotations"].items()}
    assert said["custom-http-errors"] == "502,504"
    assert said["default-backend"] == "rudderproj-away"


@both
def test_an_autoscaler_may_take_the_node_of_whatever_keeps_nothing(preset: str) -> None:
    for one in of_kind(preset, "Deployment", *FLOWER):
        pod = one["spec"]["template"]
        assert all({"emptyDir", "configMap"} & set(volume) for volume in pod["spec"]["volumes"])
        assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "true", part(one)


@pytest.mark.parametrize(
    ("name", "path", "labels"),
    [
        ("cnpg", (), {"app.kubernetes.io/name": "cloudnative-pg"}),
        (
            "ingress-nginx",
            ("controller",),
            {"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller"},
        ),
    ],
)
def test_a_zone_does_not_take_the_operator_or_the_controller_with_it(
    name: str, path: tuple[str, ...], labels: dict[str, str]
) -> None:
    found = values(name)
    for key in path:
        found = found[key]
    assert found["replicaCount"] == 2
    (web,) = (one for one in of_kind("multi", "Deployment") if part(one) == "web")
    assert found["tolerations"] == web["spec"]["template"]["spec"]["tolerations"]
    apart = found["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [one["podAffinityTerm"]["topologyKey"] for one in apart] == [ZONE, HOST]
    assert all(one["podAffinityTerm"]["labelSelector"] == {"matchLabels": labels} for one in apart)
    assert f"-f deploy/helm/{name}-values.yaml" in (ROOT / "docs/howto/deploy.md").read_text()


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_a_zone_does_not_take_prometheus_with_it(name: str) -> None:
    """Its pods are of StatefulSets: they stay where a lost node is, for as long as it is known."""
    whole = values("prometheus")
    found = whole[name][f"{name}Spec"]
    assert (found["replicas"], found["podAntiAffinity"]) == (2, "")
    apart = found["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [one["podAffinityTerm"]["topologyKey"] for one in apart] == [ZONE, HOST]
    labels = {"matchLabels": {"app.kubernetes.io/name": name}}
    assert all(one["podAffinityTerm"]["labelSelector"] == labels for one in apart)
    selected = whole["prometheus"]["prometheusSpec"]
    assert not any(selected[f"{kind}SelectorNilUsesHelmValues"] for kind in ("podMonitor", "rule"))
    assert whole["kube-state-metrics"]["tolerations"] == values("cnpg")["tolerations"]
    assert "-f deploy/helm/prometheus-values.yaml" in (ROOT / "docs/howto/deploy.md").read_text()
    seen = (ROOT / "docs/runbooks/zone-lost.md").read_text().partition("Where Prometheus")[2].partition("\n- ")[0]
    assert "StatefulSet" in seen


def test_the_controller_is_told_the_clients_address_and_the_reader_to_look() -> None:
    assert values("ingress-nginx")["controller"]["service"] == {"externalTrafficPolicy": "Local"}
    page = (ROOT / "docs/howto/deploy.md").read_text()
    yours = page.partition("Your values are one file")[2].partition("\n\n")[0]
    for value in ("image.repository", "ingress.host", "ingress.tlsSecret", "settings.TRUSTED_PROXIES"):
        assert f"`{value}`" in yours, value
    assert "`request_ip`" in page.partition("### The first event")[2].partition("\n### ")[0]


def test_of_two_pods_of_the_operator_both_are_asked() -> None:
    """One of them leads, and kubectl takes either when it is given the Deployment."""
    apart = values("cnpg")["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]
    ((name, value),) = apart["podAffinityTerm"]["labelSelector"]["matchLabels"].items()
    said = re.findall(
        r"kubectl -n cnpg-system logs ([^`]+)`", (ROOT / "docs/runbooks/database-failover.md").read_text()
    )
    assert said == [f"-l {name}={value} --prefix --tail=200"]  # with a selector kubectl shows ten lines unless told


def test_a_command_of_the_databases_plugin_says_where_and_the_plugin_is_named() -> None:
    commands = [found for page in PAGES for found in re.findall(r"kubectl cnpg [^`\n]+", page.text)]
    assert len(commands) >= 3
    assert all(command.startswith("kubectl cnpg -n events ") for command in commands)
    assert "kubectl krew install cnpg" in (ROOT / "docs/runbooks/README.md").read_text()


def test_the_database_is_set_as_where_the_figures_were_measured() -> None:
    measured = dict(re.findall(r"^(\w+) = (\w+)$", SETTINGS, re.MULTILINE))
    (cluster,) = of_kind("multi", "Cluster")
    ours = cluster["spec"]["postgresql"]["parameters"]
    assert {"shared_buffers", "max_wal_size", "min_wal_size", "checkpoint_timeout", "jit"} <= set(ours)
    same = set(ours) - {"max_connections", "max_slot_wal_keep_size"}  # there they are fewer, and no standby
    assert {name: measured[name] for name in same} == {name: ours[name] for name in same}


def test_parameters_of_yours_win_over_the_charts_and_are_words() -> None:
    """A PostgreSQL with more memory; the operator takes no numbers."""

    def found(*options: str) -> dict[str, str]:
        (cluster,) = of_kind("multi", "Cluster", *options)
        parameters: dict[str, str] = cluster["spec"]["postgresql"]["parameters"]
        return parameters

    yours = {"shared_buffers": "1GB", "jit": 0, "log_rotation_size": 10000000, "random_page_cost": 1.1}
    wanted = {"shared_buffers": "1GB", "jit": "0", "log_rotation_size": "10000000", "random_page_cost": "1.1"}
    assert found("--set-json", f"postgres.parameters={json.dumps(yours)}") == found() | wanted


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        ("max_connections=500", "the chart counts the pods that there may be"),
        ("max_slot_wal_keep_size=5GB", "say postgres.storage.walForStandby"),
        ("fsync=off", "acknowledged events would be lost"),
        ("full_page_writes=off", "acknowledged events would be lost"),
        ("synchronous_commit=off", "acknowledged events would be lost"),
        ("Max_Connections=500", "Max_Connections"),  # the same to PostgreSQL
        ("jit=true", "jit"),
    ],
)
def test_a_parameter_that_other_values_say_is_refused(parameter: str, why: str) -> None:
    done = template("multi", "--set", f"postgres.parameters.{parameter}")
    assert done.returncode != 0
    assert why in done.stderr
    assert parameter.partition("=")[0] in done.stderr


def test_the_page_says_what_a_database_with_more_memory_is_told() -> None:
    page = (
        (ROOT / "docs/howto/deploy.md")
        .read_text()
        .partition("**More memory for the database**")[2]
        .partition("\n\n")[0]
    )
    (given,) = re.findall(r"`(\{shared_buffers: [^`]+\})`", page)
    (cluster,) = of_kind("multi", "Cluster", "--set-json", f"postgres.parameters={json.dumps(yaml.safe_load(given))}")
    ours = cluster["spec"]["postgresql"]["parameters"]
    assert {name: ours[name] for name in yaml.safe_load(given)} == yaml.safe_load(given)
    for name in ("wal_compression", "synchronous_commit", "max_connections", "max_slot_wal_keep_size"):
        assert f"`{name}" in page, name
    assert "not measured" in " ".join(page.split())


@both
def test_a_zone_that_stays_dark_does_not_fill_the_primarys_volume(preset: str) -> None:
    """Its slot keeps WAL; what the pages say of how much, and of a volume's size, holds for both presets."""

    def kept(*options: str) -> str:
        (cluster,) = of_kind(preset, "Cluster", *options)
        return str(cluster["spec"]["postgresql"]["parameters"]["max_slot_wal_keep_size"])

    assert kept("--set", "postgres.storage.walForStandby=5GB") == "5GB"
    gigabytes = int(kept().removesuffix("GB"))
    assert f"{gigabytes} GB" in (ROOT / "docs/runbooks/zone-lost.md").read_text()
    sizing = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Sizing\n")[2]
    (daily,) = re.findall(r"are 100 × 86,400 × \d+ = ([\d.]+) GB a day", sizing)
    (cluster,) = of_kind(preset, "Cluster")
    room = int(cluster["spec"]["storage"]["size"].removesuffix("Gi")) * 1.024**3
    assert float(daily) * int(VARIABLES["RETENTION_DAYS"].default) + gigabytes < 0.85 * room


@pytest.mark.parametrize(
    ("size", "wal", "fits"),
    [
        ("300Gi", "150GB", True),
        ("300Gi", "151GB", False),
        ("30Gi", "20GB", False),
        ("1Ti", "400GB", True),
        ("43G", "20GB", True),
        ("42G", "20GB", False),
        ("1.5Ti", "700GB", True),
        ("1000Mi", "500MB", True),
        ("1000Mi", "501MB", False),
    ],
)
def test_wal_that_is_kept_for_a_standby_may_not_be_most_of_the_volume(size: str, wal: str, fits: bool) -> None:
    values = f"postgres.storage.size={size},postgres.storage.walForStandby={wal}"
    done = template("multi", "--set", values)
    assert (done.returncode == 0) == fits, done.stderr
    assert fits or "postgres.storage.walForStandby: " in done.stderr
    assert template("multi", "--set", f"postgres.kind=external,{values}").returncode == 0


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        (("--set", "settings.FORWARD_TIMEOUT_SECONDS=79"), True),
        (("--set", "settings.FORWARD_TIMEOUT_SECONDS=80"), False),
        (("--set-string", "settings.FORWARD_TIMEOUT_SECONDS=80"), False),
        (("--set", "settings.FORWARD_BUDGET_SECONDS=24"), True),
        (("--set", "settings.FORWARD_BUDGET_SECONDS=25"), False),
        (("--set", "forward.graceSeconds=71"), True),
        (("--set", "forward.graceSeconds=70"), False),
        (("--set", "forward.graceSeconds=75", "--set", "forward.preStopSeconds=5"), False),
    ],
)
def test_a_worker_that_would_be_killed_amid_a_link_is_refused(options: tuple[str, ...], fits: bool) -> None:
    """A link takes its budget, one request more, which waits for as long as a webhook may want, and a checkpoint."""
    assert (VARIABLES["FORWARD_BUDGET_SECONDS"].default, VARIABLES["FORWARD_TIMEOUT_SECONDS"].default) == ("5", "10")
    assert LONGEST_ANSWER == 60
    done = template("multi", *options)
    assert (done.returncode == 0) == fits, done.stderr
    assert ("forward.graceSeconds: a link may take" in done.stderr) != fits


def test_compose_and_make_run_wait_for_a_link_too() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["forward"]
    link = float(VARIABLES["FORWARD_BUDGET_SECONDS"].default) + LONGEST_ANSWER + 5
    assert link < programs()["forward"].stop_seconds < int(compose["stop_grace_period"].removesuffix("s"))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("web.replicas=13", "web.autoscaling.maxReplicas: fewer"),
        ("forward.replicas=13", "forward.autoscaling.maxReplicas: fewer"),
        (r"forward.autoscale=1\,8", "forward.autoscale: the most processes come first"),
        (r"forward.autoscale=0\,0", "forward.autoscale: the most processes come first"),
        ("web.preStopSeconds=60", "web.graceSeconds: not longer than preStopSeconds"),
        ("web.preStopSeconds=39", "web.graceSeconds: an orderly end may take 21 s"),
        ("beat.preStopSeconds=30", "beat.graceSeconds: not longer than preStopSeconds"),
    ],
)
def test_values_that_contradict_each_other_are_refused(option: str, said: str) -> None:
    kind = "--set-string" if "," in option else "--set"
    done = template("multi", kind, option)
    assert done.returncode != 0
    assert said in done.stderr


def test_values_at_their_limits_are_not() -> None:
    options = ("--set", "web.replicas=12,forward.replicas=12,web.preStopSeconds=38", "--set-string")
    assert template("multi", *options, r"forward.autoscale=8\,8").returncode == 0
    fixed = ("--set", "forward.autoscaling.kind=,forward.replicas=20,web.autoscaling.enabled=false,web.replicas=20")
    assert template("multi", *fixed).returncode == 0


@both
def test_helm_takes_no_data_away(preset: str) -> None:
    """Neither `helm uninstall` nor another `postgres.kind` deletes what has this policy."""
    policies = {
        one["kind"]: one["metadata"].get("annotations", {}).get("helm.sh/resource-policy") for one in objects(preset)
    }
    assert {kind: policy for kind, policy in policies.items() if policy} == {"Cluster": "keep", "PriorityClass": "keep"}


def test_workers_stay_as_many_as_they_are_while_nobody_can_tell_how_many_are_needed() -> None:
    """With a fallback KEDA sets that number, also where more are at work."""
    (scaler,) = of_kind("multi", "ScaledObject")
    assert "fallback" not in scaler["spec"]


@both
def test_a_pod_that_is_ready_for_a_moment_replaces_no_other(preset: str) -> None:
    """Ready once is not enough, and beat is at once: no probe asks it. The broker's old pod goes first anyway."""
    deployed = {part(one): one["spec"] for one in of_kind(preset, "Deployment", *FLOWER)}
    assert "minReadySeconds" not in deployed["valkey"]
    assert deployed.pop("valkey")["strategy"] == {"type": "Recreate"}
    assert {spec["minReadySeconds"] for spec in deployed.values()} == {10}
    for name, spec in deployed.items():
        probe = spec["template"]["spec"]["containers"][0].get("readinessProbe", {"periodSeconds": 0})
        assert spec["minReadySeconds"] > probe["periodSeconds"] * probe.get("successThreshold", 1), name


def test_how_long_a_pod_must_be_ready_is_a_value_that_kubernetes_takes() -> None:
    """It refuses one that is not shorter than its own deadline of a rollout, 600 seconds."""
    told = of_kind("multi", "Deployment", *FLOWER, "--set", "minReadySeconds=599")
    assert {one["spec"].get("minReadySeconds", 0) for one in told if part(one) != "valkey"} == {599}
    assert all("progressDeadlineSeconds" not in one["spec"] for one in told)
    for wrong in ("600", "-1"):
        assert "minReadySeconds" in template("multi", "--set", f"minReadySeconds={wrong}").stderr


def test_valkey_takes_other_pods_connections_whatever_its_image_says() -> None:
    words = dict(containers("multi"))["valkey"]["command"]
    assert words[words.index("--protected-mode") + 1] == "no"


@both
def test_links_in_alerts_lead_somewhere(preset: str) -> None:
    admin = dict(containers(preset))["alerts"]["env"]
    assert {"name": "ADMIN_URL", "value": "http://localhost:8080"} in admin


def test_a_migration_is_given_the_time_that_it_takes() -> None:
    unlimited = {"name": "DATABASE_STATEMENT_SECONDS", "value": "0"}
    assert {name for name, one in containers("multi") if unlimited in one.get("env", ())} == {"migrate"}
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    limited = {name: one.get("environment", {}).get("DATABASE_STATEMENT_SECONDS") for name, one in compose.items()}
    assert limited.pop("migrate") == "0"
    assert set(limited.values()) == {None}
    assert json.loads(VARIABLES["DATABASE_STATEMENT_SECONDS"].default) == 30
    (job,) = of_kind("multi", "Job", "--set", "migrate.deadlineSeconds=7200")
    assert job["spec"]["activeDeadlineSeconds"] == 7200


@both
def test_broker_and_database_take_room_from_others_and_others_from_nobody(preset: str) -> None:
    """There is one broker, and while it waits for a node nothing is forwarded: seen where all nodes were full."""
    (first,) = of_kind(preset, "PriorityClass")
    assert first["metadata"]["name"] == "default-rudderproj-first"
    assert 0 < first["value"] < 1_000_000_000
    named = {name: pod.get("priorityClassName") for name, pod in pods(preset).items()}
    assert named.pop("valkey") == first["metadata"]["name"]
    assert set(named.values()) == {None}
    (database,) = of_kind(preset, "Cluster")
    assert database["spec"]["priorityClassName"] == first["metadata"]["name"]


def test_whose_pods_go_first_may_be_said_otherwise() -> None:
    without = ("--set", "priorityClass.create=false")
    assert of_kind("multi", "PriorityClass", *without) == []
    assert "priorityClassName" not in text(objects("multi", *without))
    theirs = (*without, "--set", "priorityClass.name=important")
    assert of_kind("multi", "PriorityClass", *theirs) == []
    assert pods("multi", *theirs)["valkey"]["priorityClassName"] == "important"
