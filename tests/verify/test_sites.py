"""Setting up, conservation and cleaning up: through the database, and through the API."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from destinations.api import tokens
from destinations.api.models import ApiToken
from destinations.models import Checkpoint, Claim, Connection, Destination, Health, Lane
from destinations.verify import local, marks
from destinations.verify.local import Local
from destinations.verify.remote import Remote
from destinations.verify.site import IN_FORCE_SECONDS, Away, Unusable
from ingest import log
from ingest.hashing import lane_of
from ingest.models import Event, Source
from ingest.statements import NewEvent

NAME, SINK = "verify-0000000a", "http://127.0.0.1:9/verify-0000000a"


def accept(source: Source, *message_ids: str) -> None:
    log.append([NewEvent(source.pk, name, lane_of("u"), "u", "{}") for name in message_ids])


@pytest.mark.usefixtures("committed")
def test_a_run_finds_its_events_in_the_database_and_leaves_nothing_behind() -> None:
    other = Source.objects.create(name="verify-other", write_key="other")
    accept(other, "m1")
    site = Local()

    key = site.set_up(NAME, SINK)
    accept(Source.objects.get(write_key=key), "m1", "m2")

    assert site.terms() == {
        **dict.fromkeys(("delivered", "failed", "waiting", "aborted", "filtered", "skipped", "difference"), 0),
        "accepted": 2,
        "pending": 2,
    }
    assert Destination.objects.get().config == marks.config(NAME, SINK)
    for _ in range(2):  # again does no harm
        site.clean_up()
    assert list(Source.objects.values_list("name", flat=True)) == ["verify-other"]
    assert not Destination.objects.exists()
    assert not Connection.objects.exists()
    assert not Lane.objects.exists()
    assert list(Event.objects.values_list("source_id", "message_id")) == [(other.pk, "m1")]


@pytest.mark.usefixtures("committed")
def test_what_a_killed_run_has_left_is_removed_and_nobody_elses_whatever_its_name() -> None:
    for name in ("verify-mine", "verify-deadbeef"):
        Source.objects.create(name=name, write_key=f"key-of-{name}")
        Destination.objects.create(name=name, type="webhook", config={"webhookUrl": SINK, "webhookMethod": "POST"})
    Local().set_up(NAME, SINK)

    assert local.clean_leftovers() == [NAME]
    Local(name="verify-deadbeef").clean_up()
    for rows in (Source.objects, Destination.objects):
        assert set(rows.values_list("name", flat=True)) == {"verify-mine", "verify-deadbeef"}


@pytest.mark.usefixtures("committed")
def test_nothing_is_accepted_any_more_for_a_run_whose_events_are_being_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    Local().set_up(NAME, SINK)
    waited: list[float] = []

    def request_under_way(seconds: float) -> None:
        waited.append(seconds)
        source = Source.objects.get()
        assert not source.enabled
        accept(source, "m1")

    monkeypatch.setattr(local, "time", SimpleNamespace(sleep=request_under_way))
    assert local.clean_leftovers() == [NAME]
    assert waited == [IN_FORCE_SECONDS]
    assert not Event.objects.exists()


@pytest.mark.usefixtures("committed")
def test_what_a_link_holds_of_a_run_goes_with_its_destination() -> None:
    site = Local()
    site.set_up(NAME, SINK)
    claim = Claim.objects.create(
        destination=Destination.objects.get(), slot=0, owner="x 1 y", expires_at=timezone.now()
    )
    Lane.objects.filter(number=7).update(claim_id=claim.pk)
    Checkpoint.objects.create(claim_id=claim.pk, seq=1, lanes={})

    site.clean_up()
    assert (Claim.objects.count(), Checkpoint.objects.count()) == (0, 0)


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("left", ["source", "destination"])
def test_a_part_of_what_a_run_made_is_removed_too(left: str) -> None:
    Local().set_up(NAME, SINK)
    Connection.objects.get().delete()
    (Destination if left == "source" else Source).objects.get().delete()

    assert local.clean_leftovers() == [NAME]
    assert (Source.objects.count(), Destination.objects.count()) == (0, 0)


@pytest.mark.usefixtures("committed")
def test_a_sink_that_workers_would_refuse_is_told_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ENV, "EGRESS_ALLOW", [])

    with pytest.raises(Unusable, match=r"may not be at 127\.0\.0\.1, where the sink is: add it to EGRESS_ALLOW"):
        Local().set_up(NAME, SINK)
    assert not Source.objects.exists()


@pytest.mark.usefixtures("committed")
def test_rows_that_somebody_removed_are_away() -> None:
    site = Local()
    site.set_up(NAME, SINK)
    site.clean_up()

    with pytest.raises(Away, match="what the run made is gone"):
        site.terms()


def _token(*scopes: str) -> str:
    return tokens.create("verify", scopes, "ada", None)[1]


@pytest.fixture
def server(committed: None, live_server: LiveServer) -> str:
    return str(live_server.url)


def test_through_the_api_what_was_made_is_switched_off(server: str) -> None:
    scopes = ApiToken.Scope
    site = Remote([server], _token(scopes.READ, scopes.SOURCES_WRITE, scopes.DESTINATIONS_WRITE))

    key = site.set_up(NAME, SINK)
    accept(Source.objects.get(write_key=key), "m1")

    assert {name: value for name, value in site.terms().items() if value} == {"accepted": 1, "pending": 1}
    assert site.trouble() == []
    for _ in range(2):
        site.clean_up()
    made: list[Any] = [Source.objects.get(), Destination.objects.get(), Connection.objects.get()]
    assert [row.enabled for row in made] == [False, False, False]
    assert local.clean_leftovers() == [NAME]


def test_a_destination_that_is_held_is_told_as_trouble(server: str) -> None:
    scopes = ApiToken.Scope
    remote = Remote([server], _token(scopes.READ, scopes.SOURCES_WRITE, scopes.DESTINATIONS_WRITE))
    remote.set_up(NAME, SINK)
    held = Health.objects.filter(destination=Destination.objects.get())
    held.update(state=Health.State.HELD, last_error="401 Unauthorized")

    told = ["the destination is held", "the last failed delivery: 401 Unauthorized"]
    assert (remote.trouble(), Local(name=NAME).trouble()) == (told, told)


def test_a_token_that_may_not_is_told(server: str) -> None:
    with pytest.raises(Unusable, match="POST /api/v1/sources was answered 403"):
        Remote([server], _token(ApiToken.Scope.READ)).set_up(NAME, SINK)


def test_nobody_is_followed_to_another_address_with_the_token() -> None:
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['Authorization']}")
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(Unusable, match="POST /api/v1/sources was answered 302"):
                Remote([f"http://127.0.0.1:{server.server_port}"], "rp_x").set_up(NAME, SINK)
        finally:
            server.shutdown()
    assert asked == ["/api/v1/sources"]


def test_an_api_that_does_not_answer_is_away() -> None:
    with pytest.raises(Away, match="does not answer"):
        Remote(["http://127.0.0.1:9"], "rp_x").terms()
