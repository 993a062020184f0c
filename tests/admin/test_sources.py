"""Sources in the admin: keys stay hidden until asked for, and change while the old one still works."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from ingest.models import Source

KEY = "a-key-of-more-than-16-letters"
PAGE = "/admin/ingest/source/"


@pytest.fixture
def web(client: Client) -> Source:
    return Source.objects.create(name="web", write_key=KEY)


def pressed(client: Client, source: Source, name: str, **values: str) -> str:
    answer = client.post(f"{PAGE}{source.pk}/press/{name}/", values, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def rotated(client: Client, source: Source, **values: str) -> str:
    """The page after the key was changed, with what the page that asks had in it."""
    asked = client.get(f"{PAGE}{source.pk}/press/rotate-key/").content.decode()
    seen = asked.split('name="seen" value="')[1].split('"')[0]
    return pressed(client, source, "rotate-key", **{"valid_for": "24", "seen": seen} | values)


def notes() -> list[tuple[str, str]]:
    return [(entry.user.get_username(), entry.change_message) for entry in LogEntry.objects.order_by("pk")]


def test_a_key_is_shown_only_on_request_and_who_asked_is_kept(client: Client, web: Source) -> None:
    for path in ("", f"{web.pk}/change/", f"{web.pk}/history/"):
        assert KEY not in client.get(PAGE + path).content.decode()
    answer = client.post(f"{PAGE}{web.pk}/press/show-key/")
    assert KEY in answer.content.decode()
    assert "no-store" in answer.headers["cache-control"]
    assert notes() == [("ada", "Saw the write key.")]


@pytest.mark.parametrize("name", ["show-key", "end-previous"])
def test_a_link_shows_and_changes_nothing(client: Client, web: Source, name: str) -> None:
    assert client.get(f"{PAGE}{web.pk}/press/{name}/").status_code == 405
    assert notes() == []


def test_a_key_is_rotated_with_two_valid_ones_and_the_old_one_ended(client: Client, web: Source) -> None:
    asked = client.get(f"{PAGE}{web.pk}/press/rotate-key/")
    assert asked.status_code == 200
    assert KEY not in asked.content.decode()
    page = rotated(client, web)
    web.refresh_from_db()
    assert web.write_key in page
    assert web.write_key != KEY
    assert web.previous_write_key == KEY
    assert web.previous_key_valid_until
    assert timedelta(hours=23) < web.previous_key_valid_until - timezone.now() <= timedelta(hours=24)
    pressed(client, web, "end-previous")
    web.refresh_from_db()
    assert web.previous_write_key is None
    assert [note for _, note in notes()] == [
        "Changed the write key and saw the new one; 1 day, 0:00:00 for the old one.",
        "Ended the previous write key.",
    ]


def test_a_time_that_is_not_offered_changes_nothing(client: Client, web: Source) -> None:
    rotated(client, web, valid_for="999999999")
    web.refresh_from_db()
    assert web.write_key == KEY


def test_pressed_twice_a_key_is_rotated_once(client: Client, web: Source) -> None:
    rotated(client, web)
    web.refresh_from_db()
    page = pressed(client, web, "rotate-key", valid_for="24", seen="of the page before")
    assert "Somebody else has just changed the key." in page
    assert Source.objects.get().write_key == web.write_key
    assert Source.objects.get().previous_write_key == KEY


def test_who_may_only_look_sees_no_key(committed: None) -> None:
    web = Source.objects.create(name="web", write_key=KEY)
    bob = get_user_model().objects.create_user("bob", password="x", is_staff=True)
    bob.user_permissions.add(Permission.objects.get(codename="view_source"))
    looker = Client()
    looker.force_login(bob)
    page = looker.get(f"{PAGE}{web.pk}/change/")
    assert page.status_code == 200
    assert "Show write key" not in page.content.decode()
    for name in ("show-key", "rotate-key"):
        assert looker.post(f"{PAGE}{web.pk}/press/{name}/", {"valid_for": "24"}).status_code == 403


def test_a_new_source_gets_a_key_or_takes_the_given_one(client: Client) -> None:
    values = {"name": "app", "enabled": "on", "user_key": "user_id", "rate_limit": ""}
    assert client.post(f"{PAGE}add/", values).status_code == 302
    assert len(Source.objects.get(name="app").write_key) == 27
    assert client.post(f"{PAGE}add/", values | {"name": "ios", "write_key": KEY}).status_code == 302
    assert Source.objects.get(name="ios").write_key == KEY


def test_a_key_that_another_source_has_or_had_is_refused(client: Client, web: Source) -> None:
    rotated(client, web)
    values = {"name": "app", "write_key": KEY, "enabled": "on", "user_key": "user_id", "rate_limit": ""}
    answer = client.post(f"{PAGE}add/", values)
    assert "Another source has this key" in answer.content.decode()
    assert Source.objects.count() == 1


def test_saving_a_source_leaves_its_key_alone(client: Client, web: Source) -> None:
    values = {"name": "web2", "write_key": "other", "user_key": "user_id", "rate_limit": "5"}
    assert client.post(f"{PAGE}{web.pk}/change/", values).status_code == 302
    web.refresh_from_db()
    assert (web.name, web.write_key, web.enabled, web.rate_limit) == ("web2", KEY, False, 5)


def test_a_source_is_retired_after_a_question_and_taken_back(client: Client, web: Source) -> None:
    assert "delete the events that they have stored" in client.get(f"{PAGE}{web.pk}/change/").content.decode()
    pressed(client, web, "retire")
    web.refresh_from_db()
    assert web.state == "retired"
    assert "Retired." in client.get(f"{PAGE}{web.pk}/history/").content.decode()
    pressed(client, web, "restore")
    web.refresh_from_db()
    assert web.state == "enabled"
