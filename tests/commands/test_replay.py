"""`manage.py replay`."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from destinations.models import Replay, ReplayAction
from destinations.oracle.sink import Sink
from rudderproj.times import read_time
from tests.forwarding.world import World, make_world
from tests.replay.replays import deliver, run


@pytest.fixture
def world(committed: None) -> Iterator[World]:
    with Sink() as sink:
        world = make_world(sink)
        world.append("u", "u0")
        world.append("u", "dead", answers=[400, 200], event="Bought")
        deliver(world)
        yield world


def replay(*arguments: str) -> str:
    out = io.StringIO()
    call_command("replay", *arguments, stdout=out)
    return out.getvalue().strip()


def fails(*arguments: str) -> tuple[str, object]:
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("replay", *arguments, stderr=err)
    return err.getvalue().strip(), ended.value.code


def test_dead_letters_are_replayed_and_shown(world: World) -> None:
    assert replay("--destination", "hook", "--state", "aborted", "--dry-run") == "would send 1 event"
    assert not Replay.objects.exists()
    assert replay("--destination", "hook", "--state", "aborted", "--rate", "100").endswith(" runs: 1 event to look at")
    made = Replay.objects.get()
    run(world, made)
    assert world.balance()["aborted"] == 0
    shown = dict(line.partition(": ")[::2] for line in replay("show", str(made.pk)).splitlines())
    assert (shown["state"], shown["delivered"], shown["rate"]) == ("finished", "1", "100")
    assert shown["actions"].startswith("create 20")
    assert replay("list").splitlines()[-1].split()[:6] == [str(made.pk), "hook", "finished", "dead_letters", "1", "1"]


def test_a_range_is_chosen_by_every_option(world: World) -> None:
    chosen = [
        "--source",
        "source of hook",
        "--since",
        "1h",
        "--until",
        "2099-01-01",
        "--event",
        "Clicked",
        "--user",
        "u",
    ]
    assert replay("--destination", "hook", *chosen, "--dry-run") == "would send 1 event"
    assert replay("--destination", "hook", "--message-id", "u0", "dead", "--dry-run") == "would send 2 events"


def test_a_replay_is_paused_resumed_and_cancelled_by_id(world: World) -> None:
    replay("--destination", "hook")
    pk = str(Replay.objects.get().pk)
    assert replay("pause", pk) == f"replay {pk} is paused"
    assert fails("pause", pk) == (f"replay {pk} is paused: nothing to pause", 2)
    assert replay("resume", pk) == f"replay {pk} is running"
    assert replay("cancel", pk) == f"replay {pk} is cancelled"
    assert fails("resume", pk) == (f"replay {pk} is cancelled: nothing to resume", 2)
    assert list(ReplayAction.objects.order_by("id").values_list("action", flat=True)) == [
        *("create", "pause", "resume", "cancel")
    ]


def test_bad_input_is_one_line_and_changes_nothing(world: World) -> None:
    hook = ("--destination", "hook")
    assert fails()[1] == 2
    assert fails("--destination", "nobody") == ("no destination is named 'nobody'", 2)
    assert fails(*hook, "--source", "x") == ("no source named 'x' is connected to hook", 2)
    assert fails(*hook, "--since", "2h", "--until", "3h") == ("since must be before until", 2)
    assert fails(*hook, "--since", "soon")[0].startswith("'soon' is no time: expected 2026")
    assert fails(*hook, "--message-id", "m9") == ("not there, or not settled yet: m9", 2)
    for rate in ("0", str(10**11)):
        assert fails(*hook, "--rate", rate) == ("rate must be at least 1 event a second, and at most 2147483647", 2)
    assert fails(*hook, "--since", "999999d") == ("'999999d' is too long ago", 2)
    assert fails("list", *hook) == ("`list` takes no --destination", 2)
    assert fails("pause", "1", "--dry-run") == ("`pause` takes no --dry-run", 2)
    assert fails(*hook, "--event", "Nothing") == ("nothing to replay: no such event", 1)
    assert fails(*hook, "--event", "Nothing", "--dry-run") == ("nothing to replay: no such event", 1)
    assert fails("show", "99999") == ("there is no replay 99999", 2)
    assert fails("cancel")[1] == 2
    assert not Replay.objects.exists()


def test_times_are_read_as_people_type_them() -> None:
    assert read_time("2026-11-24") == datetime(2026, 11, 24, tzinfo=UTC)
    assert read_time("2026-11-24T12:30:00+02:00") == datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    assert abs(timezone.now() - timedelta(hours=2) - read_time("2h")) < timedelta(minutes=1)
