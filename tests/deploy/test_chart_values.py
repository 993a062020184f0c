"""What each value makes of the chart: valid objects whichever is set, and what the value is for."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import override_settings

from rudderproj import web_server
from rudderproj.web_body import BodyReader
from tests.deploy.chart import CHART, LOADER, containers, helm, objects, of_kind, part, pods, template
from tests.deploy.product import VARIABLES
from tests.deploy.strict import valid
from tests.docs.pages import ROOT

FOREIGN = {"away", "valkey"}  # images of others
FLOWER = ("--set", "flower.enabled=true")
PULLED = ("--set", "imagePullSecrets[0].name=registry")
PLACED = ("--set", "nodeSelector.pool=events")
TOLERANT = ("--set", "tolerations[0].key=pool,tolerations[0].operator=Exists,tolerations[0].effect=NoSchedule")
AUTHORITIES = ("--set", "caSecret=our-ca")
IPV6 = ("--set", "listen=::")
ONE_EACH = (
    "--set",
    "web.replicas=1,admin.replicas=1,forward.replicas=1,alerts.replicas=1,beat.replicas=1,away.replicas=1",
)
ANNOTATION = "nginx.ingress.kubernetes.io"
UNANNOTATED = tuple(
    word
    for name in ("ssl-redirect", "proxy-body-size", "proxy-connect-timeout")
    for word in ("--set", f"ingress.annotations.{ANNOTATION.replace('.', chr(92) + '.')}/{name}=null")
)
FEATURES = {
    "in front": ("--set", "away.inFront=true"),
    "in front, behind a Gateway": ("--set", "away.inFront=true,ingress.enabled=false"),
    "people from a VPN": ("--set", "networkPolicy.adminFrom[0].podSelector.matchLabels.vpn=yes"),
    "database and broker elsewhere": ("--set", "postgres.kind=external,valkey.enabled=false"),
    "a registry with a password": PULLED,
    "some nodes": PLACED,
    "tainted nodes": TOLERANT,
    "authorities": AUTHORITIES,
    "IPv6": IPV6,
    "one pod of each": ONE_EACH,
    "no annotations": UNANNOTATED,
    "a migration that is no hook": ("--set", "migrate.hook=false"),
    "any host": ("--set", "ingress.host=*.example.com"),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_kubernetes_takes_every_object_whatever_is_set(feature: str) -> None:
    done = template("multi", *FLOWER, *FEATURES[feature])
    assert done.returncode == 0, done.stderr
    assert valid(done.stdout) > 20


def test_kubernetes_takes_every_object_of_the_defaults() -> None:
    done = helm("template", "rudderproj", str(CHART))
    assert done.returncode == 0, done.stderr
    assert valid(done.stdout) > 20


@pytest.mark.parametrize(
    "wrong",
    [
        'imagePullSecrets=["registry"]',
        'imagePullSecrets=[{"secret": "registry"}]',
        'image.repository="registry.example.com/rudderproj@sha256"',
        'nodeSelector={"pool": 1}',
        'tolerations=["pool"]',
        'networkPolicy.adminFrom=["vpn"]',
        'postgres.storage.size="300"',
        'postgres.storage.size="300gi"',
        'postgres.storage.size="3e11"',  # a quantity too, but the chart compares sizes and reads units alone
        'postgres.storage.size="1Ei"',
        'ingress.annotations={"retries": 3}',
        'monitoring.labels={"release": true}',
    ],
)
def test_what_an_api_server_would_refuse_is_refused_before(wrong: str) -> None:
    done = template("multi", "--set-json", wrong)
    assert done.returncode != 0
    assert wrong.partition("=")[0].split(".")[-1] in done.stderr


@pytest.mark.parametrize("size", ["50Gi", "1.5Ti", "300G", "2T", "100000Mi", "90000M"])
def test_a_size_in_a_unit_that_volumes_have_is_taken(size: str) -> None:
    (cluster,) = of_kind("multi", "Cluster", "--set", f"postgres.storage.size={size}")
    assert cluster["spec"]["storage"]["size"] == size


def budgeted(*options: str) -> set[str]:
    return {part(one) for one in of_kind("multi", "PodDisruptionBudget", *options)}


def test_a_role_of_one_pod_has_a_budget_too_since_a_scaler_may_make_it_ten() -> None:
    whole = {"web", "admin", "forward", "alerts", "beat", "away", "valkey"}
    assert budgeted(*ONE_EACH) == whole
    assert budgeted("--set", "flower.enabled=true,valkey.enabled=false") == whole - {"valkey"} | {"flower"}
    assert budgeted("--set", "ingress.enabled=false") == whole - {"away"}


@pytest.mark.parametrize("ingress", ["false", "true"])
@pytest.mark.parametrize("in_front", ["false", "true"])
def test_who_answers_in_front_is_there_for_a_gateway_without_an_ingress_too(ingress: str, in_front: str) -> None:
    options = ("--set", f"ingress.enabled={ingress},away.inFront={in_front}")
    for kind in ("Deployment", "Service", "ConfigMap", "PodDisruptionBudget"):
        found = {part(one) for one in of_kind("multi", kind, *options)}
        assert ("away" in found) == ("true" in (ingress, in_front)), kind
    assert bool(of_kind("multi", "Ingress", *options)) == (ingress == "true")
    page = (
        (ROOT / "docs/howto/deploy.md").read_text().partition("\n## The Ingress controller\n")[2].partition("\n## ")[0]
    )
    assert "`ingress.enabled: false`, `away.inFront: true`" in page
    services = {
        one["metadata"]["name"]: one["spec"]["ports"][0]["port"] for one in of_kind("multi", "Service", *options)
    }
    assert services.get("rudderproj-away", 80) == 80


def test_the_database_is_pulled_and_goes_where_all_pods_are_and_do() -> None:
    options = (*PULLED, *PLACED, *TOLERANT)
    secrets, nodes = [{"name": "registry"}], {"pool": "events"}
    taint = {"key": "pool", "operator": "Exists", "effect": "NoSchedule"}
    for name, pod in pods("multi", *FLOWER, *options).items():
        assert (pod["imagePullSecrets"], pod["nodeSelector"]) == (secrets, nodes), name
        assert pod["tolerations"][2:] == [taint]
    (cluster,) = of_kind("multi", "Cluster", *options)
    spec = cluster["spec"]
    assert spec["imagePullSecrets"] == secrets
    assert (spec["affinity"]["nodeSelector"], spec["affinity"]["tolerations"]) == (nodes, [taint])
    (plain,) = of_kind("multi", "Cluster")
    assert "imagePullSecrets" not in plain["spec"]
    assert not {"nodeSelector", "tolerations"} & set(plain["spec"]["affinity"])


def test_authorities_of_your_own_are_in_every_pod_of_the_product_where_the_pages_say() -> None:
    mount = {"name": "ca", "mountPath": "/etc/rudderproj/ca", "readOnly": True}
    found = {name: pod for name, pod in pods("multi", *FLOWER, *AUTHORITIES).items() if name not in FOREIGN}
    assert set(found) == {"web", "admin", "forward", "alerts", "beat", "flower", "migrate"}
    for name, pod in found.items():
        assert mount in pod["containers"][0]["volumeMounts"], name
        assert {"name": "ca", "secret": {"secretName": "our-ca"}} in pod["volumes"]
    assert not [name for name, pod in pods("multi", *FLOWER).items() if "/etc/rudderproj/ca" in str(pod)]
    tls = (ROOT / "docs/howto/secure.md").read_text().partition("\n## TLS\n")[2].partition("\n## ")[0]
    assert "sslrootcert=/etc/rudderproj/ca/" in tls
    assert "ssl_ca_certs=/etc/rudderproj/ca/" in tls
    assert "`caSecret`" in tls


def end_of_web(commit_seconds: float) -> float:
    """The longest that an orderly end may take, by the code."""
    with override_settings(ENV=settings.ENV | {"INGEST_COMMIT_TIMEOUT_SECONDS": commit_seconds}):
        shell = web_server._shell(BodyReader(1, 1, 1))
    return web_server.DRAIN_SECONDS + shell._wait_seconds + web_server.CLOSE_SECONDS


@pytest.mark.parametrize("name", ["web", "admin"])
@pytest.mark.parametrize("commit", ["", "7", "2.5"])
def test_a_web_process_that_would_be_killed_amid_an_orderly_end_is_refused(name: str, commit: str) -> None:
    longest = end_of_web(float(commit or VARIABLES["INGEST_COMMIT_TIMEOUT_SECONDS"].default))
    told = ("--set-string", f"settings.INGEST_COMMIT_TIMEOUT_SECONDS={commit}") if commit else ()
    wanted = 4 + int(longest)  # of whole seconds the most that are not enough
    refused = template("multi", *told, "--set", f"{name}.preStopSeconds=4,{name}.graceSeconds={wanted}")
    assert refused.returncode != 0
    assert f"{name}.graceSeconds: an orderly end may take {longest:g} s" in refused.stderr
    taken = template("multi", *told, "--set", f"{name}.preStopSeconds=4,{name}.graceSeconds={wanted + 1}")
    assert taken.returncode == 0, taken.stderr


@pytest.mark.parametrize(
    ("size", "wanted"), [("", "11m"), ("10485761", "12m"), ("20971520", "21m"), ("4194304", "5m"), ("100", "2m")]
)
@pytest.mark.parametrize("kind", ["--set", "--set-string"])
def test_proxies_take_a_mib_more_than_the_largest_body(kind: str, size: str, wanted: str) -> None:
    assert VARIABLES["INGEST_MAX_BODY_BYTES"].default == str(10 * 1024**2)
    found = partial(of_kind, "multi")
    options = (kind, f"settings.INGEST_MAX_BODY_BYTES={size}") if size else ()
    (ingress,) = found("Ingress", *options)
    assert ingress["metadata"]["annotations"][f"{ANNOTATION}/proxy-body-size"] == wanted
    (config,) = (one for one in found("ConfigMap", *options) if part(one) == "away")
    assert f"client_max_body_size {wanted};" in config["data"]["default.conf"]


def annotations(*options: str) -> dict[str, str]:
    (ingress,) = of_kind("multi", "Ingress", *options)
    found: dict[str, str] = ingress["metadata"]["annotations"]
    return {key.removeprefix(f"{ANNOTATION}/"): value for key, value in found.items()}


def test_annotations_of_the_ingress_may_be_yours_or_none() -> None:
    ours = {"default-backend": "rudderproj-away", "custom-http-errors": "502,504"}
    assert annotations(*UNANNOTATED) == {**ours, "proxy-body-size": "11m"}
    assert annotations(*UNANNOTATED, "--set", "away.inFront=true") == {"proxy-body-size": "11m"}
    name = f"ingress.annotations.{ANNOTATION.replace('.', chr(92) + '.')}/proxy-body-size"
    assert annotations("--set", f"{name}=64m")["proxy-body-size"] == "64m"


def test_a_pod_that_answers_by_a_file_is_replaced_when_the_file_changes() -> None:
    """Its nginx reads that once."""

    def answer(*options: str) -> tuple[Any, Any]:
        (config,) = (one for one in of_kind("multi", "ConfigMap", *options) if part(one) == "away")
        (owner,) = (one for one in of_kind("multi", "Deployment", *options) if part(one) == "away")
        return config["data"], owner["spec"]["template"]["metadata"]["annotations"]

    for name in ("settings.INGEST_MAX_BODY_BYTES=20971520", "listen=::", "away.inFront=true"):
        data, noted = answer("--set", name)
        assert data != answer()[0], name
        assert noted != answer()[1], name


def copied(folder: Path) -> Path:
    """The chart, to be changed."""
    return Path(shutil.copytree(CHART, folder / "rudderproj"))


def test_another_charts_files_are_other_pods_too(tmp_path: Path) -> None:
    chart = copied(tmp_path)
    options = ("-f", str(chart / "values-multi-az.yaml"), "-s", "templates/away.yaml")

    def noted() -> str:
        done = helm("template", "rudderproj", str(chart), *options)
        (owner,) = (one for one in yaml.load_all(done.stdout, LOADER) if one["kind"] == "Deployment")
        return str(owner["spec"]["template"]["metadata"]["annotations"]["rudderproj/answer"])

    before = noted()
    template = chart / "templates/away.yaml"
    template.write_text(template.read_text().replace("worker_processes 2;", "worker_processes 3;"))
    assert noted() != before


def test_the_chart_has_no_links_which_some_tools_leave_out() -> None:
    """Flux's source controller does when it packs a repository."""
    assert [path for path in CHART.rglob("*") if path.is_symlink()] == []


@pytest.mark.parametrize("name", ["alerts.yml", "dashboard.json"])
@pytest.mark.parametrize("left", [None, "", "\n"])
def test_a_copy_of_the_chart_without_its_files_is_refused(name: str, left: str | None, tmp_path: Path) -> None:
    chart = copied(tmp_path)
    (chart / "files" / name).unlink()
    if left is not None:
        (chart / "files" / name).write_text(left)
    done = helm("template", "rudderproj", str(chart), "--set", "monitoring.enabled=true")
    assert done.returncode != 0
    assert f"files/{name} is missing or empty in this copy of the chart" in done.stderr
    assert helm("template", "rudderproj", str(chart)).returncode == 0  # with none of them, neither is wanted


def test_any_host_is_a_host() -> None:
    (ingress,) = of_kind("multi", "Ingress", *FEATURES["any host"])
    assert ingress["spec"]["rules"][0]["host"] == "*.example.com"
    assert ingress["spec"]["tls"][0]["hosts"] == ["*.example.com"]


def test_processes_listen_where_there_is_ipv6_alone() -> None:
    names = {"WEB_HOST", "METRICS_HOST", "FLOWER_ADDRESS"}
    for options, wanted in (((), "0.0.0.0"), (IPV6, "::")):
        found = [one for _, container in containers("multi", *FLOWER, *options) for one in container.get("env", ())]
        assert {(one["name"], one["value"]) for one in found if one["name"] in names} == {
            (name, wanted) for name in names
        }
    (config,) = (one for one in of_kind("multi", "ConfigMap", *IPV6) if part(one) == "away")
    assert "listen [::]:8080 ipv6only=off;" in config["data"]["default.conf"]


def test_each_release_has_a_name_of_its_own_in_alerts_unless_a_setting_says_another() -> None:
    for options, wanted in (((), "default-rudderproj"), (("--set", "settings.INSTANCE_ID=shop"), "shop")):
        for name, container in containers("multi", *FLOWER, *options):
            told = [one["value"] for one in container.get("env", ()) if one["name"] == "INSTANCE_ID"]
            assert told == ([] if name in FOREIGN else [wanted]), name
    page = (ROOT / "docs/howto/alerting.md").read_text()
    assert "`events-rudderproj`" in page  # the namespace and the release that all pages take


def test_it_is_said_that_policies_alone_keep_others_from_the_broker() -> None:
    """As long as that is so."""
    assert "requirepass" not in str(dict(containers("multi"))["valkey"])
    needed = (ROOT / "docs/howto/deploy.md").read_text().partition("What must be there:")[2].partition("\n\n")[0]
    assert "plugin that enforces NetworkPolicies" in needed
    line = next(one for one in (CHART / "values.yaml").read_text().splitlines() if "enforce" in one)
    assert line.startswith("  enabled: true  #")


def test_what_a_cluster_may_want_is_explained() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text().partition("What your cluster may want besides:")[2]
    for name in ("imagePullSecrets", "nodeSelector", "tolerations", "caSecret", "listen"):
        assert f"`{name}" in page.partition("\n## ")[0], name
        assert f"\n{name}: " in (CHART / "values.yaml").read_text()


NO_HOOK = ("--set", "migrate.hook=false")
WAVE = "argocd.argoproj.io/sync-wave"


def test_a_migration_that_is_no_hook_is_another_job_for_another_image_or_setting() -> None:
    """Argo CD renders each sync as the first revision, and no Job can be changed."""

    def name(*options: str) -> str:
        (job,) = of_kind("multi", "Job", *NO_HOOK, *options)
        assert not [key for key in job["metadata"]["annotations"] if key.startswith("helm.sh/hook")]
        assert "ttlSecondsAfterFinished" not in job["spec"]  # one that is gone would be missed, and made again
        return str(job["metadata"]["name"])

    changes = ("image.tag=0.2.0", "settings.LOG_LEVEL=DEBUG", "migrate.lockSeconds=4")
    names = {name(), *(name("--set", change) for change in changes)}
    assert len(names) == 1 + len(changes)
    assert all(one.startswith("rudderproj-migrate-") for one in names)
    assert name("--set", "web.replicas=4") == name()


@pytest.mark.parametrize("kind", ["cloudnative", "external"])
def test_argo_waits_for_the_database_and_then_for_the_migration(kind: str) -> None:
    database = ("--set", f"postgres.kind={kind}")
    found = {
        one["kind"]: int(one["metadata"]["annotations"][WAVE])
        for one in objects("multi", *NO_HOOK, *database)
        if WAVE in one["metadata"].get("annotations", {})
    }
    order = ["PriorityClass", "Cluster", "Job"] if kind == "cloudnative" else ["PriorityClass", "Job"]
    assert sorted(found, key=lambda one: found[one]) == order
    assert max(found.values()) < 0  # which all others have
    assert WAVE not in str(objects("multi", *database))
    page = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Argo CD and Flux\n")[2].partition("\n## ")[0]
    assert "`migrate.hook: false`" in page
    assert "disableWait: true" in page
