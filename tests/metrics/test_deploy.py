"""The dashboard and the alert rules: they can be read, and name only metrics and labels that there are."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from rudderproj.metrics import Definition, definitions
from tests.docs.pages import ROOT
from tests.metrics.promtool import promtool

DASHBOARD = ROOT / "deploy/helm/rudderproj/files/dashboard.json"
RULES = ROOT / "deploy/helm/rudderproj/files/alerts.yml"
METRIC = re.compile(r"\brudderproj_\w+")
LABELS = re.compile(r"(?:by|on) \(([\w, ]+)\)|(\w+)(?:=~|!~|!=|=)\"")
SCRAPED = {"le"}  # what a histogram's buckets have besides


def groups() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"]]


def expressions() -> Iterator[str]:
    """Every query of both files."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for rule in rules():
        yield rule["expr"]


def known() -> dict[str, Definition]:
    """Definitions by every name that is scraped."""
    found: dict[str, Definition] = {}
    for definition in definitions():
        suffixes = ("_bucket", "_sum", "_count") if definition.kind == "histogram" else ("",)
        found |= {definition.name + suffix: definition for suffix in suffixes}
    return found


@pytest.mark.parametrize("expression", list(expressions()))
def test_a_query_names_only_metrics_and_labels_that_there_are(expression: str) -> None:
    names = METRIC.findall(expression)
    assert names
    assert set(names) <= set(known())
    labels = {label for name in names for label in known()[name].labels} | SCRAPED
    for listed, matched in LABELS.findall(expression):
        assert set(re.split(r", *", listed or matched)) <= labels, expression


def test_figures_that_every_web_process_tells_are_never_added_up_over_processes() -> None:
    """Two web processes would double them: `max` comes first."""
    told_alike = {name for name, definition in known().items() if definition.told_by == "database"}
    for expression in expressions():
        for name in set(METRIC.findall(expression)) & told_alike:
            aggregations = re.findall(r"\b(sum|max|avg|count)\b(?= by|\()", expression[: expression.index(name)])
            assert aggregations[-1] == "max", expression


def test_every_rule_says_what_is_wrong_and_how_bad_it_is() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]


def test_every_panel_has_its_place_and_its_queries() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] == "row" or panel["targets"]


def test_prometheus_takes_the_rules() -> None:
    done = subprocess.run([promtool(), "check", "rules", str(RULES)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_prometheus_raises_the_alerts_it_should() -> None:
    command = [promtool(), "test", "rules", str(ROOT / "tests/metrics/alerts.test.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
