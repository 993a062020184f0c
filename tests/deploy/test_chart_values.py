"""What each value makes of the chart: valid objects whichever is set, and what the value is for."""

import warnings
from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.chart import of_kind, part

KUBERNETES = "1.34"
IN_FRONT = ("--set", "away.inFront=true")


def budgeted(*options: str) -> set[str]:
    return {part(one) for one in of_kind("multi", "PodDisruptionBudget", *options)}


def test_a_role_of_one_pod_has_a_budget_too_since_a_scaler_may_make_it_ten() -> None:
    one = ("--set", "web.replicas=1", "--set", "admin.replicas=1,forward.replicas=1,alerts.replicas=1,beat.replicas=1")
    whole = {"web", "admin", "forward", "alerts", "beat", "away", "valkey"}
    assert budgeted(*one, "--set", "away.replicas=1") == whole
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
