"""The admin's first page: how everything is now, and charts once there are samples."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts import modes
from destinations.history import Figures, OfConnection, Snapshot
from destinations.models import Connection, Destination, Health, Sample
from ingest.models import Source


@pytest.fixture
def hook(client: Client) -> Destination:
    source = Source.objects.create(name="web", write_key="k")
    hook = Destination.objects.create(name="hook", type="webhook", config={"webhookUrl": "http://h.test/"})
    Connection.objects.create(source=source, destination=hook)
    return hook


def sampled(hook: Destination, *figures: Figures, seconds: int = 60) -> None:
    """One sample each so many seconds, the last just now; as many events stored as accepted."""
    link = Connection.objects.get()
    for back, figure in enumerate(reversed(figures)):
        at = timezone.now() - timedelta(seconds=back * seconds)
        whole = Snapshot(
            at, {link.source_id: figure.accepted}, [OfConnection(link.pk, link.source_id, hook.pk, figure)]
        )
        slot = int(at.timestamp()) // 10
        Sample.objects.create(slot=slot, taken_at=at, took_seconds=0.1, counts=whole.as_json())


def tiles(page: str) -> dict[str, tuple[str, str]]:
    found = re.findall(r'rp-tile( rp-tile--\w+)?"><span>([^<]+)</span><strong>([^<]+)</strong>', page)
    return {title: (value, tone.removeprefix(" rp-tile--")) for tone, title, value in found}


def shown(client: Client, query: str = "") -> str:
    answer = client.get(f"/admin/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_samples_the_present_is_shown(client: Client, hook: Destination) -> None:
    found = tiles(shown(client))
    assert found["Mode"] == ("normal", "good")
    assert found["Destinations"] == ("1", "good")
    assert found["Difference"] == ("0", "good")


def test_rates_and_charts_come_from_the_samples(client: Client, hook: Destination) -> None:
    sampled(
        hook,
        Figures(accepted=0),
        Figures(accepted=600, delivered=400, pending=200, oldest_age_seconds=75),
        Figures(accepted=1800, delivered=1000, pending=790, aborted=10, oldest_age_seconds=130),
    )
    page = shown(client)
    found = tiles(page)
    assert found["Accepted"][0] == "20/s"
    assert found["Delivered"][0] == "10/s"
    assert found["Owed"] == ("790", "warn")
    assert found["Dead letters"][0] == "10"
    assert found["Difference"] == ("0", "good")
    assert page.count("<svg") == 4
    assert "2.17 min" in page
    assert "oldest 2 min 10 s" in page


def test_a_difference_a_held_destination_and_degraded_mode_stand_out(client: Client, hook: Destination) -> None:
    sampled(hook, Figures(accepted=10), Figures(accepted=10, delivered=7))
    Health.objects.update(state="held", last_error="HTTP 401 for three users")
    modes.set_mode("degraded", "", "ada")
    page = shown(client)
    found = tiles(page)
    assert found["Difference"] == ("3", "bad")
    assert found["Destinations"] == ("1", "warn")
    assert found["Mode"] == ("degraded", "bad")
    assert "HTTP 401 for three users" in page


def test_a_sum_that_falls_is_a_gap_and_no_negative_rate(client: Client, hook: Destination) -> None:
    sampled(hook, Figures(accepted=500, delivered=500), Figures(accepted=0), Figures(accepted=60, delivered=60))
    page = shown(client)
    assert tiles(page)["Accepted"][0] == "1.0/s"
    assert "-" not in "".join(re.findall(r' d="([^"]+)"', page))


@pytest.mark.parametrize("chosen", ["1h", "6h", "24h", "48h", "../etc", ""])
def test_every_range_is_shown(client: Client, hook: Destination, chosen: str) -> None:
    sampled(hook, Figures(accepted=1), Figures(accepted=2))
    assert 'aria-current="true"' in shown(client, f"?range={chosen}")


def test_the_page_counts_nothing_itself_while_samples_are_fresh(client: Client, hook: Destination) -> None:
    sampled(hook, Figures(accepted=1), Figures(accepted=2))
    with CaptureQueriesContext(connection) as queries:
        shown(client)
    assert not [query["sql"] for query in queries if "ingest_event" in query["sql"] or "COUNT(" in query["sql"].upper()]


def test_who_may_not_see_destinations_sees_no_figures(committed: None) -> None:
    staff = Client()
    staff.force_login(get_user_model().objects.create_user("bob", password="x", is_staff=True))
    assert 'id="dashboard"' not in shown(staff)
