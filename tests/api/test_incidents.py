"""/incidents: open and over, with who was told."""

import pytest

from alerts import incidents
from alerts.models import Channel
from alerts.notifications import bell
from tests.api.conftest import Api


@pytest.fixture(autouse=True)
def told(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "_answer", [lambda: None])
    Channel.objects.create(name="pager", provider="pagerduty", config={"routing_key": "s3cret-value"})
    incidents.report(kind="difference", key="a", severity="error", summary="a is so", details={"what": "w"})
    incidents.report(kind="dead_letters", key="b", severity="warning", summary="b is so", details={})
    incidents.resolve("a")


def test_incidents_are_listed_by_state_and_kind(api: Api) -> None:
    assert [row["key"] for row in api.get("incidents")["items"]] == ["b", "a"]
    assert [row["key"] for row in api.get("incidents", state="open")["items"]] == ["b"]
    (row,) = api.get("incidents", state="resolved", kind="difference")["items"]
    assert (row["summary"], row["severity"], row["details"]) == ("a is so", "error", {"what": "w"})
    assert row["resolved_at"].endswith("Z")
    assert api.get("incidents", limit=1)["next"] is not None


def test_an_incident_tells_who_was_told_and_no_secret(api: Api) -> None:
    (row,) = api.get("incidents", kind="difference")["items"]
    found = api.get(f"incidents/{row['id']}")
    assert [(one["channel"], one["action"], one["attempts"]) for one in found["notifications"]] == [
        ("pager", "trigger", 0),
        ("pager", "resolve", 0),
    ]
    assert "s3cret" not in str(found)
    assert api.call("GET", "incidents/9999")[0] == 404


def test_status_names_the_open_ones(api: Api) -> None:
    (row,) = api.get("status")["incidents"]
    assert {name: row[name] for name in ("key", "kind", "severity", "summary")} == {
        "key": "b",
        "kind": "dead_letters",
        "severity": "warning",
        "summary": "b is so",
    }
    assert row["opened_at"].endswith("Z")
