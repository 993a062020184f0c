"""`manage.py deadletters`."""

import io
import json

import pytest
from django.core.management import call_command

from destinations.oracle.sink import Sink
from tests.forwarding.world import make_world
from tests.replay.replays import deliver


def listed(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("deadletters", *arguments, "--json", stdout=out)
    return [json.loads(line)["message_id"] for line in out.getvalue().splitlines()]


@pytest.mark.usefixtures("committed")
def test_dead_letters_are_listed_newest_first_by_destination_reason_and_time() -> None:
    with Sink() as sink:
        world = make_world(sink)
        world.append("u", "first", answers=[400])
        deliver(world)
        world.append("u", "second", answers=[422])
        world.append("u", "fine")
        deliver(world)
    assert listed() == ["second", "first"]
    assert listed("--limit", "1") == ["second"]
    assert listed("--destination", "hook", "--reason", "HTTP 400") == ["first"]
    assert listed("--since", "1h", "--until", "2099-01-01") == ["second", "first"]
    assert listed("--until", "1h") == []
    out = io.StringIO()
    call_command("deadletters", stdout=out)
    shown = out.getvalue().splitlines()[1].split()
    assert shown[1:] == ["source", "of", "hook", "hook", "second", "u", "1", "HTTP", "422"]


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--destination", "nobody"], "no destination is named 'nobody'"),
        (["--since", "soon"], "'soon' is no time"),
        (["--since", "999999d"], "'999999d' is too long ago"),
        (["--limit", "0"], "limit must be at least 1"),
        (["--limit", str(10**20)], "limit must be at least 1 and at most 10000"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], problem: str) -> None:
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("deadletters", *arguments, stderr=err)
    assert ended.value.code == 2
    assert err.getvalue().startswith(problem)
