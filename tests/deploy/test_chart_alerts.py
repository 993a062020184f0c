"""The chart's alert rules and the questions that scale workers, as Prometheus answers them beside another release."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import PRESETS, of_kind, template
from tests.metrics.promtool import promtool
from tests.metrics.test_deploy import rules

HERE = 'namespace="default"'  # helm's, unless told otherwise
THERE = 'namespace="other"'
WEB_PODS = "kube_deployment_status_replicas_available"


def groups(preset: str = "multi", *options: str) -> list[dict[str, Any]]:
    (found,) = of_kind(preset, "PrometheusRule", *options)
    listed: list[dict[str, Any]] = found["spec"]["groups"]
    return listed


def queries() -> tuple[str, str]:
    """What scales forwarding workers: by age, by destinations."""
    (scaler,) = of_kind("multi", "ScaledObject")
    age, work = (str(trigger["metadata"]["query"]) for trigger in scaler["spec"]["triggers"])
    return age, work


def series(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": listed} for name, listed in values.items()]


def prometheus_says(folder: Path, test: dict[str, Any]) -> None:
    """Fails unless Prometheus answers what the test of its own kind expects."""
    (folder / "rules.yml").write_text(json.dumps({"groups": groups()}))
    whole = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [{"interval": "1m", **test}]}
    (folder / "test.yml").write_text(json.dumps(whole))
    done = subprocess.run([promtool(), "test", "rules", str(folder / "test.yml")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def check(path: Path) -> None:
    """Fails unless Prometheus takes these rules."""
    done = subprocess.run([promtool(), "check", "rules", str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def raised(alert: str) -> dict[str, Any]:
    """The alert as Prometheus would send it, when its labels say nothing further."""
    rule = next(rule for group in groups() for rule in group["rules"] if rule["alert"] == alert)
    return {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_question_is_about_this_release_alone(preset: str) -> None:
    expressions = [rule["expr"] for group in groups(preset) for rule in group["rules"]]
    for expression in (*expressions, *queries()):
        metrics = re.findall(r"\b(?:rudderproj|kube|kubelet)_\w+", expression)
        assert metrics
        for metric in metrics:
            assert expression.count(metric) == expression.count(f"{metric}{{{HERE}"), expression


def test_the_rules_are_those_of_the_repository_and_two_of_the_cluster() -> None:
    unscoped = json.dumps(groups()).replace("{" + HERE.replace('"', '\\"') + ", ", "{")
    unscoped = unscoped.replace("{" + HERE.replace('"', '\\"') + "}", "")
    listed = [rule for group in json.loads(unscoped) for rule in group["rules"]]
    assert listed[:-2] == rules()
    assert [rule["alert"] for rule in listed[-2:]] == ["RudderprojNoWebPod", "RudderprojVolumeFills"]


@pytest.mark.parametrize(
    "base", ["https://git.example.com/rudderproj/blob/v0.1.0", "http://wiki/", "https://wiki/#/a:b"]
)
def test_whoever_is_on_call_can_open_the_page_of_each_alert(base: str, tmp_path: Path) -> None:
    linked = groups("multi", "--set", f"monitoring.runbookBase={base}")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": linked}))
    check(tmp_path / "rules.yml")
    for group in (listed := json.loads(json.dumps(linked))):
        for rule in group["rules"]:
            url = rule["annotations"].pop("runbook_url")
            assert url == f"{base.removesuffix('/')}/{rule['annotations']['runbook']}", rule["alert"]
    assert listed == groups()  # which have none: nothing else is changed


@pytest.mark.parametrize("base", ["docs", "https://a b", "https://{{ $labels.a }}", "https://wiki/$1"])
def test_a_base_that_would_be_no_address_is_refused(base: str) -> None:
    done = template("multi", "--set-json", f"monitoring.runbookBase={json.dumps(base)}")
    assert done.returncode != 0
    assert "runbookBase" in done.stderr


def test_a_database_elsewhere_has_no_volume_of_ours() -> None:
    (found,) = of_kind("multi", "PrometheusRule", "--set", "postgres.kind=external")
    assert "RudderprojVolumeFills" not in json.dumps(found)


def test_a_volume_of_the_database_is_an_alert_before_it_is_full(tmp_path: Path) -> None:
    """Of each instance by itself, and of no other volume."""
    given: dict[str, Any] = {}
    for where, volume, free in (
        (HERE, "rudderproj-db-1", 14),
        (HERE, "rudderproj-db-12", 16),
        (HERE, "data-other-db-1", 1),
        (THERE, "rudderproj-db-2", 1),
    ):
        labels = f'{{{where}, persistentvolumeclaim="{volume}"}}'
        given |= {
            f"kubelet_volume_stats_available_bytes{labels}": f"{free}x20",
            f"kubelet_volume_stats_capacity_bytes{labels}": "100x20",
        }
    name = "RudderprojVolumeFills"
    expected = raised(name)
    expected["exp_labels"] = expected["exp_labels"] | {"persistentvolumeclaim": "rudderproj-db-1"}
    expected["exp_annotations"] = expected["exp_annotations"] | {"summary": "rudderproj-db-1 has 14% left"}
    asked = [{"eval_time": "15m", "alertname": name, "exp_alerts": [expected]}]
    prometheus_says(tmp_path, {"input_series": series(given), "alert_rule_test": asked})


@pytest.mark.parametrize(
    ("pods", "fires"),
    [
        ({f'{WEB_PODS}{{{HERE}, deployment="rudderproj-web"}}': "3x5 0x15"}, True),
        ({f'{WEB_PODS}{{{HERE}, deployment="rudderproj-web"}}': "3x5 1x15"}, False),
        ({}, True),  # nobody counts, or the Deployment is gone
    ],
)
def test_no_public_web_pod_is_an_alert_although_admin_tells_that_a_web_process_lives(
    pods: dict[str, str], fires: bool, tmp_path: Path
) -> None:
    others = {
        f'rudderproj_processes{{{HERE}, role="web"}}': "1x20",
        f'rudderproj_request_seconds_count{{{HERE}, kind="other", status="200"}}': "0+1x20",
        f'{WEB_PODS}{{{HERE}, deployment="rudderproj-admin"}}': "1x20",
        f'{WEB_PODS}{{{THERE}, deployment="rudderproj-web"}}': "3x20",
    }
    expected = {
        "RudderprojDown": [],
        "RudderprojNoWebPod": [raised("RudderprojNoWebPod")] if fires else [],
    }
    asked = [{"eval_time": "15m", "alertname": name, "exp_alerts": alerts} for name, alerts in expected.items()]
    prometheus_says(tmp_path, {"input_series": series(others | pods), "alert_rule_test": asked})


def test_another_releases_processes_do_not_hide_that_ours_are_gone(tmp_path: Path) -> None:
    given = {
        f'rudderproj_processes{{{HERE}, role="forward"}}': "0x20",
        f'rudderproj_processes{{{THERE}, role="forward"}}': "2x20",
    }
    name = "RudderprojNoForwardWorker"
    asked = [{"eval_time": "10m", "alertname": name, "exp_alerts": [raised(name)]}]
    prometheus_says(tmp_path, {"input_series": series(given), "alert_rule_test": asked})


# What is otherwise when workers stand still for no reason that has an alert of its own.
STILL = {
    'rudderproj_oldest_pending_age_seconds{@, destination="a"}': "301x30",
    'rudderproj_breaker_state{@, destination="a"}': "0x30",
    'rudderproj_destination_held{@, destination="a"}': "0x30",
    'rudderproj_destination_paused{@, destination="a"}': "0x30",
    'rudderproj_link_seconds_count{@, end="idle"}': "7x30",
    'rudderproj_processes{@, role="forward"}': "2x30",
    "rudderproj_degraded{@}": "0x30",
    "rudderproj_horizon_age_seconds{@}": "0x30",
}


@pytest.mark.parametrize(
    ("metric", "values", "fires"),
    [
        ("rudderproj_link_seconds_count", "7x30", True),
        ("rudderproj_link_seconds_count", None, True),  # a worker that came and has not ended one
        ("rudderproj_link_seconds_count", "0+1x30", False),
        ("rudderproj_oldest_pending_age_seconds", "300x30", False),
        ("rudderproj_oldest_pending_age_seconds", "0x30", False),  # all of it waits for a connection's return
        ("rudderproj_breaker_state", "2x30", False),
        ("rudderproj_destination_held", "1x30", False),
        ("rudderproj_destination_paused", "1x30", False),
        ("rudderproj_processes", "0x30", False),  # RudderprojNoForwardWorker
        ("rudderproj_degraded", "1x30", False),  # RudderprojDegraded
        ("rudderproj_horizon_age_seconds", "121x30", False),  # RudderprojHorizonHeld
    ],
)
def test_workers_that_live_and_do_nothing_are_an_alert(
    metric: str, values: str | None, fires: bool, tmp_path: Path
) -> None:
    """Unless it is for a reason; what another release's workers do is none."""
    told = {name: (values if name.startswith(f"{metric}{{") else listed) for name, listed in STILL.items()}
    given = {name.replace("@", HERE): listed for name, listed in told.items() if listed is not None}
    given[f'rudderproj_link_seconds_count{{{THERE}, end="idle"}}'] = "0+1x30"
    name = "RudderprojNothingForwarded"
    expected = raised(name)
    expected["exp_annotations"] = expected["exp_annotations"] | {
        "summary": "Forwarding workers live and do nothing; 1 destinations are owed events"
    }
    asked = [{"eval_time": "20m", "alertname": name, "exp_alerts": [expected] if fires else []}]
    prometheus_says(tmp_path, {"input_series": series(given), "alert_rule_test": asked})


def scaled_by(folder: Path, given: dict[str, str], answers: tuple[int | None, int | None]) -> None:
    """Fails unless these are Prometheus's answers to what scales workers; None for no answer."""
    asked = [
        {"expr": query, "eval_time": "3m", "exp_samples": [] if answer is None else [{"labels": "{}", "value": answer}]}
        for query, answer in zip(queries(), answers, strict=True)
    ]
    prometheus_says(folder, {"input_series": series(given), "promql_expr_test": asked})


@pytest.mark.parametrize(
    ("told", "age", "work"),
    [
        ({}, 600, 1),
        ({"rudderproj_degraded": 1}, 0, 0),
        ({"rudderproj_horizon_age_seconds": 121}, 0, 0),
        ({"rudderproj_oldest_pending_age_seconds": 0}, 0, 1),  # an event waits for its retry, however long
        ({"rudderproj_breaker_state": 2}, 0, 1),
        ({"rudderproj_destination_held": 1}, 0, 0),
        ({"rudderproj_destination_paused": 1}, 0, 0),
        # What it is owed waits for the return of what is switched off.
        ({"rudderproj_oldest_pending_age_seconds": 0, "rudderproj_destination_behind_seconds": 0}, 0, 0),
    ],
)
def test_workers_are_scaled_by_our_own_work_and_only_where_more_would_help(
    told: dict[str, int], age: int, work: int, tmp_path: Path
) -> None:
    ours = {
        "rudderproj_oldest_pending_age_seconds": 600,
        "rudderproj_oldest_event_age_seconds": 3600,
        "rudderproj_destination_behind_seconds": 3600,
        "rudderproj_pending_events": 9,
        "rudderproj_failed_events": 1,
        "rudderproj_breaker_state": 0,
        "rudderproj_destination_held": 0,
        "rudderproj_destination_paused": 0,
    }
    whole = {"rudderproj_degraded": 0, "rudderproj_horizon_age_seconds": 0, "rudderproj_database_up": 1}
    given = {f"{name}{{{HERE}}}": f"{told.get(name, value)}x5" for name, value in whole.items()}
    given |= {f'{name}{{{HERE}, destination="a"}}': f"{told.get(name, value)}x5" for name, value in ours.items()}
    given |= {f"{name}{{{THERE}}}": f"{9000 if name != 'rudderproj_degraded' else 1}x5" for name in whole}
    numbers = {name: 9000 if value > 1 else value for name, value in ours.items()}  # of which none is out of service
    given |= {f'{name}{{{THERE}, destination="{one}"}}': f"{numbers[name]}x5" for name in ours for one in ("b", "c")}
    scaled_by(tmp_path, given, (age, work))


@pytest.mark.parametrize("given", [{}, {f"rudderproj_database_up{{{HERE}}}": "0x5"}])
def test_their_number_stays_while_nobody_can_say_what_work_there_is(given: dict[str, str], tmp_path: Path) -> None:
    """No answer is an error to the scaler, which then leaves the number alone."""
    (scaler,) = of_kind("multi", "ScaledObject")
    assert {trigger["metadata"]["ignoreNullValues"] for trigger in scaler["spec"]["triggers"]} == {"false"}
    scaled_by(tmp_path, given | {f"rudderproj_database_up{{{THERE}}}": "1x5"}, (None, None))


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups()}))
    check(tmp_path / "rules.yml")
