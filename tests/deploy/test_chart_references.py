"""The chart's objects find each other: whatever one names is there, and listens where it is looked for."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.deploy.chart import PRESETS, containers, of_kind, part, pods

ALL = ("--set", "flower.enabled=true", "--set", "networkPolicy.adminFrom[0].podSelector.matchLabels.vpn=yes")

both = pytest.mark.parametrize("preset", PRESETS)


def ports(preset: str) -> dict[str, dict[str, int]]:
    """What each component listens on, by name."""
    found = {name: one.get("ports", ()) for name, one in containers(preset, *ALL)}
    return {name: {port["name"]: port["containerPort"] for port in listed} for name, listed in found.items()}


def chosen(preset: str, labels: Mapping[str, str]) -> set[str]:
    """The components whose pods have these labels."""
    owners = [*of_kind(preset, "Deployment", *ALL), *of_kind(preset, "Job", *ALL)]
    return {part(one) for one in owners if labels.items() <= one["spec"]["template"]["metadata"]["labels"].items()}


def services(preset: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"] for one in of_kind(preset, "Service", *ALL)}


@both
def test_a_service_leads_to_a_port_of_its_own_component(preset: str) -> None:
    for one in of_kind(preset, "Service", *ALL):
        assert chosen(preset, one["spec"]["selector"]) == {part(one)}
        (port,) = one["spec"]["ports"]
        assert port["targetPort"] in ports(preset)[part(one)]


@both
def test_the_ingress_and_the_processes_ask_services_that_there_are(preset: str) -> None:
    (ingress,) = of_kind(preset, "Ingress", *ALL)
    (rule,) = ingress["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend["port"]["name"] in {port["name"] for port in services(preset)[backend["name"]]["ports"]}
    assert ingress["spec"]["tls"] == [{"hosts": [rule["host"]], "secretName": "events-tls"}]
    web = dict(containers(preset, *ALL))["web"]
    broker = urlsplit(next(one["value"] for one in web["env"] if one["name"] == "CELERY_BROKER_URL"))
    assert [port["port"] for port in services(preset)[str(broker.hostname)]["ports"]] == [broker.port]


@both
def test_a_proxy_neither_redirects_events_nor_takes_fewer_than_the_product(preset: str) -> None:
    (ingress,) = of_kind(preset, "Ingress")
    said = {key.rpartition("/")[2]: value for key, value in ingress["metadata"]["annotations"].items()}
    assert said["ssl-redirect"] == "false"
    (config,) = (one for one in of_kind(preset, "ConfigMap") if part(one) == "away")
    assert f"client_max_body_size {said['proxy-body-size']};" in config["data"]["default.conf"]


@both
def test_processes_listen_to_other_pods(preset: str) -> None:
    for name, one in containers(preset, *ALL):
        if name in {"web", "admin", "forward", "alerts"}:
            said = {variable["name"]: variable.get("value") for variable in one["env"]}
            assert (said["WEB_HOST"], said["METRICS_HOST"], said["METRICS_PORT"]) == ("0.0.0.0", "0.0.0.0", "9100")


def test_a_scaler_scales_a_deployment_that_there_is() -> None:
    deployed = {one["metadata"]["name"]: part(one) for one in of_kind("multi", "Deployment", *ALL)}
    kinds = ("HorizontalPodAutoscaler", "ScaledObject")
    scalers = [one for kind in kinds for one in of_kind("multi", kind, *ALL)]
    assert {part(one) for one in scalers} == {"web", "forward"}
    for one in scalers:
        assert deployed[one["spec"]["scaleTargetRef"]["name"]] == part(one)
        assert 3 in (one["spec"].get("minReplicas"), one["spec"].get("minReplicaCount"))


@both
def test_every_pod_with_metrics_is_scraped(preset: str) -> None:
    (monitor,) = of_kind(preset, "PodMonitor", *ALL)
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert chosen(preset, monitor["spec"]["selector"]["matchLabels"]) == set(pods(preset, *ALL))
    scraped = {name for name, listed in ports(preset).items() if endpoint["port"] in listed}
    assert scraped == {"web", "admin", "forward", "alerts"}


@both
def test_policies_open_what_is_asked_for_and_no_more(preset: str) -> None:
    opened: dict[str, set[str]] = {}
    for policy in of_kind(preset, "NetworkPolicy", *ALL):
        selector = policy["spec"]["podSelector"]
        named = chosen(preset, selector["matchLabels"])
        for expression in selector.get("matchExpressions", ()):
            named &= set(expression["values"])
        for rule in policy["spec"].get("ingress", ()):
            (port,) = rule["ports"]
            for name in named:
                opened.setdefault(name, set()).add(port["port"])
    assert opened == {name: set(listed) for name, listed in ports(preset).items() if listed}


@both
def test_a_pod_names_an_account_and_volumes_that_there_are(preset: str) -> None:
    accounts = {one["metadata"]["name"] for one in of_kind(preset, "ServiceAccount", *ALL)} | {"default"}
    configs = {one["metadata"]["name"] for one in of_kind(preset, "ConfigMap", *ALL)}
    for pod in pods(preset, *ALL).values():
        assert pod["serviceAccountName"] in accounts
        assert {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one} <= configs
