"""A crash report in the admin, as a file, by the command and in the API: the same, and all of it."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from alerts.models import Crash, ModeChange
from alerts.recovery import report
from destinations.models import Destination
from tests.api.conftest import Api, allowed, api  # noqa: F401
from tests.crashes.conftest import Crashed

TRACEBACK = "Fatal Python error: Segmentation fault"
FULL: dict[str, Any] = {
    "traceback": TRACEBACK,
    "log": '{"event":"worker.started"}',
    "in_flight": [{"destination": 7, "connection": 3, "lane": 5, "replay": 0, "xid": 901, "position": 2}],
    "environment": {"versions": {"python": "3.13.1"}, "settings": {"SECRETS_KEYS": "***"}},
    "mode": "normal",
    "uptime_seconds": 12.5,
}


def cause(*crashes: Crash) -> ModeChange:
    """The mode was changed for these crashes."""
    return ModeChange.objects.create(
        at=timezone.now(),
        from_mode="normal",
        to_mode="degraded",
        reason="5 restarts of host-forward-1",
        actor="recovery",
        crashes=[str(crash.pk) for crash in crashes],
    )


VERDICTS: dict[str, Callable[[Crashed], Crash]] = {
    "counted": lambda crashed: crashed(),
    "explained": lambda crashed: crashed(explained="event m1"),
    "suspected": lambda crashed: crashed(suspected_until=timezone.now() + timedelta(seconds=60)),
    "ended": lambda crashed: crashed(restarted_at=None),
}


@pytest.mark.parametrize("word", VERDICTS)
def test_each_crash_is_of_one_verdict_by_itself_and_by_query(crashed: Crashed, word: str) -> None:
    made = {name: make(crashed) for name, make in VERDICTS.items()}
    assert report.verdict(made[word]).word == word
    assert list(Crash.objects.filter(report.IS[word])) == [made[word]]


def test_a_verdict_says_why(crashed: Crashed) -> None:
    assert report.verdict(crashed(explained="event m1")).why == "explained by event m1: it does not count"
    assert report.verdict(crashed(restarted_at=None)).why == "the process has not come back: only restarts count"
    assert report.verdict(crashed(ago=90_000)).why.endswith("; too long ago to matter now")
    assert report.verdict(crashed()).why.endswith(", and no event or destination explains its end")
    past = timezone.now() - timedelta(seconds=1)
    assert report.verdict(crashed(suspected_until=past)).word == report.COUNTED


def test_what_was_in_flight_is_named_by_who_knows_destinations_and_by_its_ids(
    crashed: Crashed, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = Destination.objects.create(name="hook", type="webhook")
    crash = crashed(in_flight=[{"destination": hook.pk}, *FULL["in_flight"]])
    named, lost = report.in_flight(crash)
    ids = "destination 7, connection 3, lane 5, replay 0, xid 901, position 2"
    assert named == f"hook: its link was about to begin (destination {hook.pk})"
    assert lost.endswith(f" ({ids})")
    monkeypatch.setattr(report, "_describe", None)
    assert report.in_flight(crash)[1] == ids


@pytest.fixture
def operator(committed: None) -> Client:
    user = get_user_model().objects.create_user("ada", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_crash"))
    client = Client()
    client.force_login(user)
    return client


def test_the_admin_lists_filters_and_shows_reports(crashed: Crashed, operator: Client) -> None:
    crash = crashed(**FULL)
    crashed(role="web", node="host-web-1", explained="event m1", summary="web died")
    cause(crash)
    everything = operator.get("/admin/alerts/crash/").content.decode()
    assert "forward died by SIGSEGV" in everything
    assert "web died" in everything
    for query in ("role__exact=forward", "verdict=counted", "kind__exact=process&verdict=counted"):
        page = operator.get(f"/admin/alerts/crash/?{query}").content.decode()
        assert ("forward died by SIGSEGV" in page, "web died" in page) == (True, False), query
    page = operator.get(f"/admin/alerts/crash/{crash.pk}/change/").content.decode()
    for text in (TRACEBACK, "no event or destination explains", "lane 5", "python: 3.13.1", "worker.started"):
        assert text in page, text
    assert "normal → degraded" in page
    assert "5 restarts of host-forward-1" in page
    assert f"/admin/alerts/crash/{crash.pk}/download/" in page


def test_the_file_has_everything(crashed: Crashed, operator: Client) -> None:
    crash = crashed(**FULL)
    cause(crash)
    answer = operator.get(f"/admin/alerts/crash/{crash.pk}/download/")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="crash-forward-')
    text = answer.content.decode()
    assert text == report.as_text(crash)
    assert text.splitlines()[0] == "forward died by SIGSEGV"
    for line in (
        f"id:             {crash.pk}",
        "verdict:        counted",
        "uptime_seconds: 12.5",
        "is_oom:         no",
    ):
        assert line in text.splitlines(), line
    for part in (TRACEBACK, '{"event":"worker.started"}', "versions.python: 3.13.1", "settings.SECRETS_KEYS: ***"):
        assert part in text.splitlines(), part
    assert "normal -> degraded by recovery: 5 restarts of host-forward-1" in text


def test_only_who_may_see_reports_may_download_them_and_nobody_changes_them(crashed: Crashed, operator: Client) -> None:
    crash = crashed()
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user("eve", password="x", is_staff=True))
    assert stranger.get(f"/admin/alerts/crash/{crash.pk}/download/").status_code == 403
    assert Client().get(f"/admin/alerts/crash/{crash.pk}/download/").status_code == 302
    assert operator.post(f"/admin/alerts/crash/{crash.pk}/change/", {}).status_code == 403
    assert operator.get("/admin/alerts/crash/add/").status_code == 403
    missing = "00000000-0000-0000-0000-000000000000"
    assert operator.get(f"/admin/alerts/crash/{missing}/download/").status_code == 404


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("crashreport", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_the_newest_and_shows_one_by_the_beginning_of_its_id(crashed: Crashed) -> None:
    old, new = crashed(ago=60, summary="the old one"), crashed(**FULL)
    lines = said().splitlines()
    assert lines[0].split() == ["id", "at", "role", "node", "kind", "verdict", "summary"]
    assert [line.split()[0] for line in lines[1:]] == [str(new.pk)[:8], str(old.pk)[:8]]
    assert lines[1].endswith("counted  forward died by SIGSEGV")
    assert [json.loads(line)["id"] for line in said("--json", "--limit", "1").splitlines()] == [str(new.pk)]
    assert said(str(new.pk)) == said(str(new.pk)[:8].upper()) == report.as_text(new)
    whole = json.loads(said(str(new.pk), "--json"))
    assert whole == report.content(new)
    assert whole["in_flight"] == FULL["in_flight"]


def test_without_crashes_the_command_says_so_by_an_empty_list(committed: None) -> None:
    assert len(said().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["nothing"], 1, "there is no crash report 'nothing'"),
        (["00000000-0000-0000-0000-000000000000"], 1, "there is no crash report"),
        ([""], 1, "there is no crash report ''"),
        (["aaaa"], 2, "several crash reports begin with 'aaaa'"),
        (["--limit", "0"], 2, "limit must be at least 1"),
    ],
)
def test_wrong_use_is_one_line(crashed: Crashed, arguments: list[str], status: int, problem: str) -> None:
    for last in "12":
        crashed(pk=f"aaaaaaaa-0000-0000-0000-00000000000{last}")
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("crashreport", *arguments, stderr=err)
    assert ended.value.code == status
    assert err.getvalue().startswith(problem)
    assert len(err.getvalue().splitlines()) == 1


def test_the_api_pages_filters_and_shows_reports(crashed: Crashed, api: Api) -> None:  # noqa: F811
    at = timezone.now()
    same = [crashed(at=at, summary=f"crash {number}") for number in range(3)]
    old = crashed(ago=60, role="web", restarted_at=None, **FULL)
    ids = [str(row.pk) for row in sorted(same, key=lambda row: row.pk, reverse=True)] + [str(old.pk)]
    seen: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        body = api.get("crashes", limit=1, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in body["items"]]
        cursor = body["next"]
    assert seen == ids
    assert [item["id"] for item in api.get("crashes", role="web")["items"]] == [str(old.pk)]
    assert [item["id"] for item in api.get("crashes", verdict="ended")["items"]] == [str(old.pk)]
    change = cause(old)
    whole = api.get(f"crashes/{old.pk}")
    assert (whole["traceback"], whole["in_flight"]) == (TRACEBACK, FULL["in_flight"])
    assert (whole["mode_changes"], whole["verdict"]) == ([change.pk], "ended")
    assert api.call("GET", "crashes", cursor="soon")[1]["items"] == []
    assert api.call("GET", "crashes", verdict="guilty")[0] == 400
    assert api.call("GET", "crashes/00000000-0000-0000-0000-000000000000")[0] == 404


def test_the_api_asks_for_a_token_that_may_read(crashed: Crashed, allowed: Callable[..., Api]) -> None:  # noqa: F811
    crash = crashed()
    for path in ("crashes", f"crashes/{crash.pk}"):
        assert allowed("mode:write").call("GET", path)[0] == 403
        assert Api("").call("GET", path)[0] == 401
