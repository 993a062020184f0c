"""Replays in the admin: of ticked dead letters, of one, of a range that is counted first; all of them are steered."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from destinations.models import Connection, Delivery, Replay, ReplayAction
from tests.admin.test_letters import LETTERS, accept, link, row

__all__ = ["link"]
PAGE = "/admin/destinations/replay/"


@pytest.fixture
def letters(link: Connection) -> list[Delivery]:
    return [row(link, event) for event in accept(link, "m-1", "m-2")]


def post(client: Client, path: str, **values: Any) -> str:
    answer = client.post(path, values, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def done() -> list[tuple[str, str]]:
    return list(ReplayAction.objects.order_by("pk").values_list("action", "actor"))


def test_a_dead_letter_is_replayed_from_its_page(client: Client, letters: list[Delivery]) -> None:
    page = post(client, f"{LETTERS}{letters[0].pk}/press/replay/")
    replay = Replay.objects.get()
    assert (replay.picked, replay.origin) == (1, "dead_letters")
    assert f"Replay #{replay.pk} to hook" in page
    assert done() == [("create", "ada")]


def test_ticked_dead_letters_become_one_replay(client: Client, letters: list[Delivery]) -> None:
    assert "None was ticked" in post(client, f"{LETTERS}replay/")
    post(client, f"{LETTERS}replay/", picked=[letter.pk for letter in letters])
    assert Replay.objects.get().picked == 2
    assert client.get(f"{LETTERS}replay/").status_code == 405


def test_a_replay_is_paused_resumed_and_cancelled(client: Client, letters: list[Delivery]) -> None:
    post(client, f"{LETTERS}{letters[0].pk}/press/replay/")
    path = f"{PAGE}{Replay.objects.get().pk}/press"
    assert "Resume" in post(client, f"{path}/pause/")
    assert "Pause" in post(client, f"{path}/resume/")
    page = post(client, f"{path}/cancel/")
    assert Replay.objects.get().state == "cancelled"
    assert "press/" not in page
    assert [action for action, _ in done()] == ["create", "pause", "resume", "cancel"]


def test_a_range_is_counted_before_it_is_started(client: Client, link: Connection, letters: list[Delivery]) -> None:
    chosen = {"destination": link.destination_id, "origin": "dead_letters", "reason": "HTTP 400", "rate": "5"}
    assert "2 events would be sent" in post(client, f"{PAGE}add/", **chosen)
    assert Replay.objects.count() == 0
    post(client, f"{PAGE}add/", **chosen, start="1")
    replay = Replay.objects.get()
    assert (replay.reason, replay.rate) == ("HTTP 400", 5)
    assert f"#{replay.pk}" in client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reason": "HTTP 418"}, "nothing to replay"),
        ({"origin": "log", "reason": "HTTP 400"}, "only dead letters are chosen by their reason"),
        ({"rate": "0"}, "greater than or equal to 1"),
        ({"since": "2026-02-01T00:00", "until": "2026-01-01T00:00"}, "since must be before until"),
    ],
)
def test_what_cannot_be_replayed_is_told(
    client: Client, link: Connection, letters: list[Delivery], changed: dict[str, str], message: str
) -> None:
    chosen = {"destination": str(link.destination_id), "origin": "dead_letters"} | changed
    assert message in post(client, f"{PAGE}add/", **chosen, start="1")
    assert Replay.objects.count() == 0


def test_who_may_only_look_starts_no_replay(letters: list[Delivery]) -> None:
    bob = get_user_model().objects.create_user("bob", password="x", is_staff=True)
    bob.user_permissions.set(Permission.objects.filter(codename__in=["view_deadletter", "view_replay"]))
    looker = Client()
    looker.force_login(bob)
    assert "Replay ticked" not in looker.get(LETTERS).content.decode()
    assert looker.post(f"{LETTERS}{letters[0].pk}/press/replay/").status_code == 403
    assert looker.post(f"{LETTERS}replay/", {"picked": letters[0].pk}).status_code == 403
    assert looker.get(f"{PAGE}add/").status_code == 403
    assert Replay.objects.count() == 0
