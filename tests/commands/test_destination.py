"""`manage.py destination`."""

import io

import pytest
from django.core.management import call_command

from destinations.models import Destination, DestinationAction, Health

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture(autouse=True)
def hook(committed: None) -> Destination:
    return Destination.objects.create(name="hook", type="webhook", config={"webhookUrl": "http://h.test"})


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("destination", *arguments, stdout=out)
    return out.getvalue().strip()


def fails(*arguments: str) -> str:
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("destination", *arguments, stderr=err)
    assert ended.value.code == 2
    return err.getvalue().strip()


def test_a_destination_is_paused_and_resumed_with_who_and_why() -> None:
    assert run("pause", "hook", "--reason", " maintenance ") == "now paused"
    assert run("pause", "hook") == "already paused"
    assert Health.objects.get().state == "paused"
    line = run("list").splitlines()[-1].split()
    assert line[:6] == ["hook", "webhook", "yes", "paused", "closed", "pause"]
    assert line[-1] == "(maintenance)"
    assert run("resume", "hook") == "now ok"
    assert run("resume", "hook") == "already ok"
    assert list(DestinationAction.objects.order_by("id").values_list("action", flat=True)) == ["pause", "resume"]


def test_skipping_is_said_and_kept() -> None:
    Health.objects.update(state="held")
    assert run("resume", "hook", "--skip") == "now ok, what was owed is skipped"
    assert DestinationAction.objects.get().action == "skip"


def test_wrong_input_changes_nothing_and_says_what_is_wrong() -> None:
    assert fails("pause", "nobody") == "no destination is named 'nobody'"
    assert fails("resume", "hook", "--skip") == "hook is neither held nor paused: pause it first"
    assert not DestinationAction.objects.exists()
