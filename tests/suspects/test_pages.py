"""What people see of suspects: a list, a note at the destination, links between a dead letter and its crashes."""

import pytest
from django.test import Client

from alerts.models import Crash
from alerts.recovery import report
from destinations.forward import Forwarder
from destinations.models import Suspect
from tests.forwarding.workers import LIMITS
from tests.forwarding.world import World
from tests.suspects.crashes import crash, entry


@pytest.fixture
def died(world: World) -> Crash:
    world.append("ada", "a0")
    return crash(entry(world, "a0"))


def fetch(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_and_a_page_of_a_suspect(admin_client: Client, died: Crash) -> None:
    row = Suspect.objects.get()
    listed = fetch(admin_client, "/admin/destinations/suspect/")
    assert "a0" in listed
    assert 'rp-label--warn">open' in listed
    page = fetch(admin_client, f"/admin/destinations/suspect/{row.pk}/change/")
    assert f'<a href="/admin/alerts/crash/{died.pk}/change/">{died.pk}</a>' in page
    assert admin_client.post("/admin/destinations/suspect/add/").status_code == 403


def test_a_destination_says_that_it_has_suspects(admin_client: Client, world: World, died: Crash) -> None:
    path = f"/admin/destinations/destination/{world.destination.pk}/change/"
    assert "1 of its events or links were in flight when a worker died" in fetch(admin_client, path)
    Suspect.objects.update(state="cleared", settled_at=died.at)
    assert "when a worker died" not in fetch(admin_client, path)


def test_a_poison_event_s_dead_letter_links_to_its_crashes(admin_client: Client, world: World, died: Crash) -> None:
    Suspect.objects.update(deaths_alone=2)
    forwarder = Forwarder(LIMITS)
    forwarder.work(world.destination.pk)
    forwarder.close()
    (letter,) = world.rows()
    page = fetch(admin_client, f"/admin/destinations/deadletter/{letter.pk}/change/")
    assert f"poison: killed the worker twice (crash {died.pk})" in page
    assert f'<a href="/admin/alerts/crash/{died.pk}/change/">{died.pk}</a>' in page


def test_a_crash_report_names_what_was_in_flight(world: World, died: Crash) -> None:
    (told,) = report.in_flight(died)
    assert told.startswith("hook: event a0 of source of hook (destination ")
