"""`manage.py apply` with YAML."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from django.core.management import call_command
from django.db import connection

from destinations.models import Connection, Destination, Gap, Lane
from ingest.models import ConfigVersion, Source

pytestmark = pytest.mark.usefixtures("committed")

EXAMPLE = """
sources:
  - {name: web, write_key: WRITEKEY}
destinations:
  - name: hook
    type: webhook
    config: {webhookUrl: "http://127.0.0.1:9100/hook", webhookMethod: POST, headers: [{from: X-Token, to: abc}]}
    sources: [web]
"""


class Result(NamedTuple):
    status: int
    out: list[str]
    err: list[str]


@pytest.fixture
def apply(tmp_path: Path) -> Any:
    def run(content: Any, *options: str) -> Result:
        file = tmp_path / "file.yaml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        out, err, status = io.StringIO(), io.StringIO(), 0
        try:
            call_command("apply", str(file), *options, stdout=out, stderr=err)
        except SystemExit as exit_:
            status = int(str(exit_.code))
        return Result(status, out.getvalue().splitlines(), err.getvalue().splitlines())

    return run


def example(**destination: Any) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(EXAMPLE)
    data["destinations"][0] |= destination
    return data


def versions() -> tuple[int, list[tuple[Any, ...]]]:
    """The configuration's version and which row versions stand in its tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 's', id, xmin::text FROM ingest_source UNION ALL SELECT 'd', id, xmin::text FROM"
            " destinations_destination UNION ALL SELECT 'c', id, xmin::text FROM destinations_connection ORDER BY 1, 2"
        )
        return ConfigVersion.objects.get().version, cursor.fetchall()


def test_the_example_makes_a_source_a_destination_and_a_connection_with_its_lanes(apply: Any) -> None:
    assert apply(EXAMPLE) == Result(
        0,
        [
            "+ source web: enabled: true, user_key: anonymous_id, write_key: ***",
            "+ destination hook: enabled: true, type: webhook, config: "
            '{"headers": [{"from": "X-Token", "to": "***"}], "webhookMethod": "POST", '
            '"webhookUrl": "http://127.0.0.1:9100/hook"}',
            "+ connection web -> hook",
        ],
        [],
    )
    assert Source.objects.get().write_key == "WRITEKEY"
    assert Destination.objects.get().config["headers"] == [{"from": "X-Token", "to": "abc"}]
    assert Connection.objects.get().enabled
    assert Lane.objects.count() == 64


def test_a_second_run_changes_nothing_not_even_the_version(apply: Any) -> None:
    apply(EXAMPLE)
    before = versions()
    assert apply(EXAMPLE) == Result(0, ["no changes"], [])
    assert apply(EXAMPLE, "--prune") == Result(0, ["no changes"], [])
    assert versions() == before


def test_a_dry_run_prints_the_same_difference_and_changes_nothing(apply: Any) -> None:
    before = versions()
    dry = apply(EXAMPLE, "--dry-run")
    assert versions() == before
    assert dry == apply(EXAMPLE)


def test_only_what_differs_is_printed_and_secrets_are_not(apply: Any) -> None:
    apply(EXAMPLE)
    changed = example(
        rate_limit=5, config={"webhookUrl": "http://127.0.0.1:9100/new", "headers": [{"from": "X-Token", "to": "xyz"}]}
    )
    changed["sources"][0]["write_key"] = "OTHER"
    result = apply(changed)
    assert result.out == [
        "~ source web: write_key: *** -> ***",
        "~ destination hook: rate_limit: null -> 5",
        '~ destination hook: config.headers: [{"from": "X-Token", "to": "***"}] -> '
        '[{"from": "X-Token", "to": "***"}] (a secret in it differs)',
        "~ destination hook: config.webhookMethod: POST -> null",
        "~ destination hook: config.webhookUrl: http://127.0.0.1:9100/hook -> http://127.0.0.1:9100/new",
    ]


def test_what_an_entry_leaves_out_goes_back_to_its_default(apply: Any) -> None:
    apply(example(rate_limit=5, enabled=False, retry={"attempts": 9}, event_filter={"deny": ["x"]}))
    apply(EXAMPLE)
    hook = Destination.objects.get()
    assert (hook.rate_limit, hook.enabled, hook.retry, hook.event_filter) == (None, True, {}, {})


def test_a_source_without_a_write_key_gets_one_and_keeps_it(apply: Any) -> None:
    apply({"sources": [{"name": "web"}]})
    key = Source.objects.get().write_key
    assert len(key) == 27
    assert apply({"sources": [{"name": "web"}]}).out == ["no changes"]
    assert Source.objects.get().write_key == key


def test_what_the_file_does_not_name_is_left_alone_and_pruning_disables_it(apply: Any) -> None:
    apply(EXAMPLE)
    other = {
        "sources": [{"name": "app", "write_key": "K2"}],
        "destinations": [
            {"name": "sink", "type": "webhook", "config": {"webhookUrl": "http://h.test"}, "sources": ["app"]}
        ],
    }
    apply(other)
    assert Source.objects.filter(enabled=True).count() == 2
    assert apply(other, "--prune").out == [
        "~ source web: enabled: true -> false",
        "~ destination hook: enabled: true -> false",
    ]
    assert sorted(Destination.objects.values_list("name", "enabled")) == [("hook", False), ("sink", True)]
    assert apply(EXAMPLE).out == ["~ source web: enabled: false -> true", "~ destination hook: enabled: false -> true"]


def test_a_source_taken_off_the_list_is_disconnected_but_keeps_its_cursors(apply: Any) -> None:
    apply(EXAMPLE)
    assert apply(example(sources=[])).out == ["~ connection web -> hook: enabled: true -> false"]
    assert Lane.objects.count() == 64
    assert Gap.objects.filter(to_xid=None).count() == 1
    assert apply(EXAMPLE).out == ["~ connection web -> hook: enabled: false -> true"]
    assert Gap.objects.filter(to_xid=None).count() == 0


def test_a_destination_without_a_list_keeps_its_connections(apply: Any) -> None:
    apply(EXAMPLE)
    data = example()
    del data["destinations"][0]["sources"]
    assert apply(data).out == ["no changes"]


def test_a_destination_may_name_a_source_that_only_the_database_knows(apply: Any) -> None:
    apply(EXAMPLE)
    data = example(name="second")
    del data["sources"]
    assert apply(data).out[-1] == "+ connection web -> second"


def test_variables_are_filled_in_from_the_environment(apply: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "1234")
    monkeypatch.setenv("LIMIT", "20")
    monkeypatch.setenv("HOST", "h.test")
    config = {
        "webhookUrl": "https://${HOST}/a/${TOKEN}",
        "headers": [{"from": "X", "to": "${TOKEN}"}, {"from": "Y", "to": "$${TOKEN}"}],
        "timeout_seconds": "${LIMIT}",
    }
    assert apply(example(rate_limit="${LIMIT}", enabled="${ON}", config=config)).err == [
        "destinations[0].enabled: the environment variable 'ON' is not set"
    ]
    monkeypatch.setenv("ON", "false")
    apply(example(rate_limit="${LIMIT}", enabled="${ON}", config=config))
    hook = Destination.objects.get()
    assert (hook.rate_limit, hook.enabled) == (20, False)
    assert hook.config == {
        "webhookUrl": "https://h.test/a/1234",
        "headers": [{"from": "X", "to": "1234"}, {"from": "Y", "to": "${TOKEN}"}],
        "timeout_seconds": 20,
    }


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"attempts": 5, "window_seconds": 60}, {"attempts": 5, "window_seconds": 60.0}),
        (
            {"window": "3h", "base": "500", "max": "1.5m"},
            {"window_seconds": 10800.0, "base_seconds": 500.0, "max_seconds": 90.0},
        ),
        (
            {"window": "1d", "backoff": {"base": "1s", "max_seconds": 300}},
            {"window_seconds": 86400.0, "base_seconds": 1.0, "max_seconds": 300.0},
        ),
        (None, {}),
    ],
)
def test_retry_takes_several_spellings_and_stores_one(apply: Any, given: Any, stored: dict[str, Any]) -> None:
    result = apply(example(retry=given))
    if stored.get("base_seconds", 0) > stored.get("max_seconds", 1e9):
        assert result.err == ["destinations[0].retry: base_seconds is above max_seconds"]
    else:
        assert Destination.objects.get().retry == stored
        assert apply(example(retry=given)).out == ["no changes"]


URL = {"webhookUrl": "http://h.test"}


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("[]", ["the file: expected a mapping with sources, destinations"]),
        ("", ["the file: expected a mapping with sources, destinations"]),
        ("a: [", ["line 1, column 5: expected the node content, but found '<stream end>'"]),
        ("a: &x [*x]\n", ["the file is nested too deeply"]),
        ("a: !!python/object:os.system {}", None),
        ("sources: {}", ["sources: expected a list"]),
        ("sources: [web]", ["sources[0]: expected a mapping with name, write_key, enabled, rate_limit, user_key"]),
        ("sources: [{}]", ["sources[0].name: required"]),
        ("source: []", ["source: unknown key, expected sources, destinations"]),
        ("sources: [{name: 5}]", ["sources[0].name: expected text"]),
        (
            "sources: [{name: a, name: b}]",
            ["sources[0].name: named twice"],
        ),
        (
            "sources: [{name: a, rate_limit: fast, enabled: 1, user_key: email, write_key: ' '}]",
            [
                "sources[0].rate_limit: expected a whole number above 0",
                "sources[0].enabled: expected true or false",
                "sources[0].user_key: expected one of anonymous_id, user_id",
                "sources[0].write_key: expected text, not empty, without spaces around it or control characters",
            ],
        ),
        (
            "sources: [{name: a, write_key: k}, {name: a, write_key: k}]",
            ["sources[1].name: the same as sources[0].name", "sources[1].write_key: the same as sources[0].write_key"],
        ),
        ({"destinations": [{"name": "h"}]}, ["destinations[0].type: required"]),
        (
            {"destinations": [{"name": "h", "type": "smtp"}]},
            ["destinations[0].type: unknown destination type, expected one of inbox, webhook"],
        ),
        ({"destinations": [{"name": "h", "type": "webhook"}]}, ["destinations[0].config.webhookUrl: required"]),
        (
            {"destinations": [{"name": "h", "type": "webhook", "config": {"webhookUrl": 5, "headers": [{"from": 1}]}}]},
            [
                "destinations[0].config.webhookUrl: expected string",
                "destinations[0].config.headers[0].from: expected string",
            ],
        ),
        (
            {"destinations": [{"name": "h", "type": "webhook", "config": URL, "sources": ["nobody"]}]},
            ["destinations[0].sources[0]: no source named 'nobody'"],
        ),
        (
            {"destinations": [{"name": "h", "type": "webhook", "config": URL, "sources": "web"}]},
            ["destinations[0].sources: expected a list of source names"],
        ),
    ],
)
def test_wrong_input_ends_with_2_and_names_the_path(apply: Any, content: Any, problems: list[str] | None) -> None:
    result = apply(content)
    assert (result.status, result.out) == (2, [])
    if problems is None:
        assert result.err
    else:
        assert sorted(result.err) == sorted(problems)
    assert not Source.objects.exists()
    assert not Destination.objects.exists()


def test_every_problem_of_a_destination_is_listed(apply: Any) -> None:
    wrong = example(
        max_concurrency=0,
        retry={"window": "soon", "tries": 3},
        event_filter={"allow": [], "deny": [""]},
        sources=["web", 3],
    )
    assert sorted(apply(wrong).err) == [
        "destinations[0].event_filter.deny: expected a list of event names",
        "destinations[0].event_filter: expected allow or deny, not both",
        "destinations[0].max_concurrency: expected a whole number above 0",
        "destinations[0].retry.tries: unknown key, expected window_seconds, attempts, base_seconds, max_seconds, "
        "window, base, max, backoff",
        "destinations[0].retry.window: expected seconds above 0, or a text such as 90s, 15m, 3h",
        "destinations[0].sources[1]: expected text",
    ]


def test_a_write_key_of_another_source_is_refused(apply: Any) -> None:
    apply(EXAMPLE)
    assert apply({"sources": [{"name": "app", "write_key": "WRITEKEY"}]}).err == [
        "sources[0].write_key: already the write key of source 'web'"
    ]


def test_a_file_that_is_not_there_is_one_line(apply: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        call_command("apply", "/nowhere/file.yaml")
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "/nowhere/file.yaml: No such file or directory\n"


def test_nothing_is_changed_when_one_problem_shows_only_in_the_database(apply: Any) -> None:
    data = example(sources=["web", "nobody"])
    assert apply(data).status == 2
    assert not Source.objects.exists()


def test_json_is_taken_as_well(apply: Any) -> None:
    assert apply(json.dumps(yaml.safe_load(EXAMPLE))).status == 0
