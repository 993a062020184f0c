"""`manage.py apply` with RudderStack's workspaceConfig.json."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from destinations.apply import workspace
from destinations.models import Connection, Destination
from ingest.models import Source

SAMPLE = Path(__file__).with_name("workspaceConfig.json")


def apply(*options: str) -> tuple[list[str], list[str]]:
    out, err = io.StringIO(), io.StringIO()
    call_command("apply", str(SAMPLE), *options, stdout=out, stderr=err)
    return out.getvalue().splitlines(), err.getvalue().splitlines()


@pytest.mark.usefixtures("committed")
def test_what_is_known_is_taken_and_what_is_not_is_told_on_standard_error() -> None:
    _, notes = apply()
    assert notes == [
        "sources[2] (No key): source not taken: no write key of its own",
        "sources[0].destinations[0] (Hook): config keys not taken: connectionMode",
        "sources[0].destinations[0] (Hook): transformations not taken: events are sent as accepted",
        "sources[0].destinations[1] (GA): destination not taken: no destination type for GA4",
        "sources[0].destinations[2] (Device): destination not taken: deleted, or sent to by devices only",
        "sources[1].destinations[2] (Broken): destination not taken: webhookUrl: required",
    ]
    assert sorted(Source.objects.values_list("name", "write_key", "enabled")) == [
        ("Web", "2webWriteKey", True),
        ("Web (2srcApp)", "2appWriteKey", False),
    ]
    assert sorted(Destination.objects.values_list("name", "type", "enabled", "event_filter__allow")) == [
        ("Hook", "webhook", True, ["Paid", "Signed Up"]),
        ("Hook (2dstSecond)", "webhook", False, None),
    ]
    assert Destination.objects.get(name="Hook").config == {
        "webhookUrl": "https://hook.test/in",
        "webhookMethod": "POST",
        "headers": [{"from": "X-Token", "to": "abc"}],
    }
    assert sorted(Connection.objects.values_list("source__name", "destination__name", "enabled")) == [
        ("Web", "Hook", True),
        ("Web (2srcApp)", "Hook", True),
        ("Web (2srcApp)", "Hook (2dstSecond)", True),
    ]


@pytest.mark.usefixtures("committed")
def test_a_second_run_changes_nothing() -> None:
    apply()
    assert apply()[0] == apply("--prune")[0] == apply("--dry-run")[0] == ["no changes"]


def test_names_do_not_depend_on_the_order_of_the_file() -> None:
    data = json.loads(SAMPLE.read_text())
    data["sources"].reverse()
    names = {source.write_key: source.name for source in workspace.read(data).sources}
    assert names == {"2webWriteKey": "Web", "2appWriteKey": "Web (2srcApp)"}


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        ({"workspaceId": "x"}, True),
        ({"sources": [{"writeKey": "k"}]}, True),
        ({"sources": [{"name": "web", "write_key": "k"}], "destinations": []}, False),
        ([], False),
    ],
)
def test_a_workspace_is_recognised(data: object, is_one: bool) -> None:
    assert workspace.is_workspace(data) is is_one


@pytest.mark.parametrize(
    "junk", [None, 5, "x", [], {}, {"destinations": 5}, {"writeKey": "k", "destinations": [None, 5, {}]}]
)
def test_junk_inside_is_noted_and_not_fatal(junk: object) -> None:
    workspace.read(
        {"sources": [junk, {"id": 1, "name": ["a"], "writeKey": "k2", "config": [], "destinations": [{"config": 5}]}]}
    )
