"""A key that is missing holds its destinations, says why, loses nothing, and frees them when it is back."""

import base64
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from destinations import unreadable
from destinations.models import Destination, Health
from destinations.oracle.sink import Sink
from rudderproj import db, secrets
from tests.forwarding.workers import run_once
from tests.forwarding.world import World, make_world

OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
REASON = (
    "the configuration cannot be read: "
    f"SECRETS_KEYS does not contain the key '{secrets.key_id(OLD)}' it was encrypted with"
)


def use(settings: Any, *keys: str) -> None:
    settings.ENV["SECRETS_KEYS"] = list(keys)


@pytest.fixture
def locked(world: World, settings: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose destination is encrypted with OLD, while this process has NEW only; two events are owed."""
    monkeypatch.setitem(settings.ENV, "SECRETS_KEYS", [OLD])
    world.change(config=world.destination.config)
    world.append("ada", "m-1", "m-2")
    use(settings, NEW)
    return world


def release() -> None:
    with closing(db.connect("tests", 10)) as raw:
        unreadable.release(raw)


def test_the_destination_is_held_with_the_reason_and_its_events_stay_pending(locked: World) -> None:
    assert run_once(locked.destination) is False
    health = locked.health()
    assert (health.state, health.last_error) == ("held", REASON)
    assert locked.balance()["pending"] == 2
    assert locked.rows() == []
    assert list(locked.sink.arrivals) == []


def test_other_destinations_of_the_worker_go_on(locked: World) -> None:
    other = make_world(locked.sink, "other", source=locked.source)
    locked.append("eve", "m-3")
    run_once(locked.destination)
    run_once(other.destination)
    assert other.balance()["delivered"] == 1


def test_it_is_free_again_once_the_key_is_back_and_everything_is_delivered(locked: World, settings: Any) -> None:
    run_once(locked.destination)
    release()
    assert locked.health().state == "held"
    use(settings, NEW, OLD)
    release()
    assert locked.health().state == "ok"
    run_once(locked.destination)
    assert locked.report().is_clean
    assert locked.balance()["delivered"] == 2


def test_one_that_is_held_for_another_reason_stays_held(locked: World, settings: Any) -> None:
    use(settings, OLD)
    Health.objects.update(state="held", last_error="HTTP 401")
    release()
    assert locked.health().state == "held"


def test_a_damaged_configuration_says_so(locked: World, settings: Any) -> None:
    use(settings, OLD)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE destinations_destination SET config = overlay(config placing 'AAAA' from 60)")
    run_once(locked.destination)
    assert locked.health().last_error == (
        f"the configuration cannot be read: it was damaged: key '{secrets.key_id(OLD)}' does not fit"
    )


def test_the_admin_shows_why_and_a_new_configuration_can_be_entered(locked: World, sink: Sink) -> None:
    run_once(locked.destination)
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ada", password="x"))
    assert secrets.key_id(OLD) in client.get("/admin/destinations/destination/").content.decode()
    path = f"/admin/destinations/destination/{locked.destination.pk}/change/"
    assert secrets.key_id(OLD) in client.get(path).content.decode()
    call_command("status")
    row = Destination.objects.get()
    row.config = {"webhookUrl": sink.url}
    row.save()
    assert Destination.objects.get().config == {"webhookUrl": sink.url}
