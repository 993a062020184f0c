"""What the API shows and changes, through Django as it is."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from alerts import modes
from alerts.models import ModeChange
from destinations.models import Attempt, Connection, Delivery, Destination, DestinationAction, Health
from ingest.models import Event, RejectedEvent, Source
from ingest.statements import NewEvent, insert_events
from rudderproj import db
from tests.api.conftest import CONFIG, SECRET, Api


def store(source: Source, *message_ids: str, user: str = "u", lane: int = 3) -> None:
    with closing(db.connect("tests", 30)) as raw:
        for message_id in message_ids:
            payload = json.dumps({"messageId": message_id, "type": "track"})
            insert_events(raw, [NewEvent(source.pk, message_id, lane, user, payload)])


def test_the_status_is_the_commands(api: Api, hook: Destination) -> None:
    found = api.get("status")
    assert found["mode"]["mode"] == "normal"
    assert [(c["source"], c["destination"], c["difference"]) for c in found["connections"]] == [("web", "hook", 0)]


def test_the_mode_is_changed_with_its_history(api: Api) -> None:
    status, body = api.post("mode", {"mode": "degraded", "reason": " incident 5 "})
    assert (status, body["mode"], body["reason"]) == (200, "degraded", "incident 5")
    assert body["actor"].startswith("token ")
    assert modes.current().mode == "degraded"
    assert (body["stored"], body["forced"]) == ("degraded", False)
    api.post("mode", {"mode": "degraded", "reason": "again"})
    assert api.post("mode", {"mode": "normal"})[0] == 400
    assert ModeChange.objects.count() == 1
    assert [change["to_mode"] for change in api.get("mode/history")["items"]] == ["degraded"]
    assert api.post("mode", {"mode": "off"})[0] == 400


def test_a_write_key_is_shown_once(api: Api) -> None:
    status, made = api.post("sources", {"name": "web"})
    assert status == 201
    source = Source.objects.get()
    assert made["write_key"] == source.write_key
    assert "write_key" not in api.get(f"sources/{source.pk}")
    assert source.write_key not in json.dumps(api.get("sources"))
    status, made = api.post("sources", {"name": "app", "write_key": "my-own", "rate_limit": 5, "user_key": "user_id"})
    assert (status, made["write_key"], made["rate_limit"], made["user_key"]) == (201, "my-own", 5, "user_id")


def test_a_source_is_changed_in_what_is_named_only(api: Api, source: Source) -> None:
    status, body = api.patch(f"sources/{source.pk}", {"enabled": False, "rate_limit": 7})
    assert (status, body["enabled"], body["rate_limit"], body["name"]) == (200, False, 7, "web")
    assert api.patch(f"sources/{source.pk}", {"rate_limit": None})[1]["rate_limit"] is None
    source.refresh_from_db()
    assert (source.write_key, source.enabled) == ("the-write-key", False)


def test_a_write_key_is_rotated_and_the_old_one_ended(api: Api, source: Source) -> None:
    status, made = api.post(f"sources/{source.pk}/rotate-key", {"valid_for_seconds": 60})
    source.refresh_from_db()
    assert (status, made["write_key"]) == (200, source.write_key)
    assert source.write_key != "the-write-key"
    assert source.previous_write_key == "the-write-key"
    assert made["previous_key_valid_until"].endswith("Z")
    assert api.post("sources", {"name": "thief", "write_key": "the-write-key"})[0] == 409
    status, ended = api.post(f"sources/{source.pk}/end-previous-key", {})
    assert (status, ended["previous_key_valid_until"]) == (200, None)
    assert api.post("sources/0/rotate-key", {})[0] == 404


def test_a_source_is_retired_and_taken_back(api: Api, source: Source) -> None:
    assert api.get(f"sources/{source.pk}")["retired_at"] is None
    for _ in range(2):
        status, body = api.post(f"sources/{source.pk}/retire", {})
        assert (status, body["retired_at"][-1], body["enabled"]) == (200, "Z", True)
    assert api.post(f"sources/{source.pk}/restore", {})[1]["retired_at"] is None
    assert api.post("sources/0/retire", {})[0] == 404


def test_names_and_keys_that_are_taken_are_a_conflict(api: Api, source: Source) -> None:
    assert api.post("sources", {"name": "web"})[1]["detail"] == "the name is taken"
    assert api.post("sources", {"name": "x", "write_key": "the-write-key"})[0] == 409
    other = Source.objects.create(name="app", write_key="k")
    assert api.patch(f"sources/{other.pk}", {"name": "web"})[0] == 409


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("sources", {}, "name"),
        ("sources", {"name": " web"}, "name"),
        ("sources", {"name": "w\u0000b"}, "name"),
        ("sources", {"name": 5, "rate_limit": 1}, "name"),
        ("sources", {"name": "web", "rate_limit": 0}, "rate_limit"),
        ("sources", {"name": "web", "rate_limit": "5"}, "rate_limit"),
        ("sources", {"name": "web", "enabled": "yes"}, "enabled"),
        ("sources", {"name": "web", "colour": "red"}, "colour"),
        ("sources", {"name": "web", "id": 5}, "id"),
        ("sources", [], ""),
        ("destinations", {"name": "h", "type": "webhook", "config": {}}, "config.webhookUrl"),
        ("destinations", {"name": "h", "type": "webhook", "config": CONFIG | {"x": 1}}, "config.x"),
        ("destinations", {"name": "h", "type": "webhook", "config": {"webhookUrl": "http://\u0000"}}, "config"),
        ("destinations", {"name": "h", "type": "smtp", "config": {}}, "type"),
        ("destinations", {"name": "h", "type": "webhook", "config": CONFIG, "retry": {"tries": 1}}, "retry.tries"),
        (
            "destinations",
            {"name": "h", "type": "webhook", "config": CONFIG, "event_filter": {"allow": ["a"], "deny": ["b"]}},
            "event_filter",
        ),
        ("connections", {"source": 1}, "destination"),
        ("connections", {"source": "1", "destination": 1}, "source"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field(api: Api, path: str, body: Any, field: str) -> None:
    status, answer = api.post(path, body)
    assert (status, {error["field"] for error in answer["errors"]}) == (400, {field}), answer
    assert answer["errors"][0]["message"]
    assert not Source.objects.exists()
    assert not Destination.objects.exists()


def test_secrets_of_a_destination_go_in_and_never_come_out(api: Api) -> None:
    status, made = api.post(
        "destinations",
        {
            "name": "hook",
            "type": "webhook",
            "config": CONFIG,
            "retry": {"attempts": 5},
            "event_filter": {"deny": ["a"]},
        },
    )
    assert status == 201, made
    assert made["config"]["headers"] == [{"from": "X-Token", "to": "***"}]
    assert (made["retry"], made["event_filter"]) == ({"attempts": 5}, {"deny": ["a"]})
    assert (made["health"]["state"], made["health"]["breaker"]) == ("ok", "closed")
    row = Destination.objects.get()
    assert row.config == CONFIG
    for path in ("destinations", f"destinations/{row.pk}", "status"):
        assert SECRET not in json.dumps(api.get(path))


def test_a_mask_that_is_sent_back_keeps_the_secret(api: Api, hook: Destination) -> None:
    shown = api.get(f"destinations/{hook.pk}")["config"]
    status, _ = api.patch(f"destinations/{hook.pk}", {"config": shown | {"webhookUrl": "http://h.test/new"}})
    assert status == 200
    hook.refresh_from_db()
    assert hook.config == CONFIG | {"webhookUrl": "http://h.test/new"}
    masked = {"webhookUrl": "http://x", "headers": [{"from": "A", "to": "b"}, {"from": "B", "to": "***"}]}
    status, body = api.patch(f"destinations/{hook.pk}", {"config": masked})
    assert (status, body["errors"][0]["field"]) == (400, "config")
    status, body = api.patch(f"destinations/{hook.pk}", {"type": "inbox"})
    assert status == 400, "the configuration of one type is not another's"


def test_a_destination_is_paused_and_resumed_by_whom_and_why(api: Api, hook: Destination) -> None:
    assert api.post(f"destinations/{hook.pk}/pause", {"reason": "moving"})[1]["health"]["state"] == "paused"
    assert api.post(f"destinations/{hook.pk}/resume", {"backlog": "skip"})[1]["health"]["state"] == "ok"
    assert api.post(f"destinations/{hook.pk}/resume", {})[0] == 200
    assert api.post(f"destinations/{hook.pk}/resume", {"backlog": "skip"})[0] == 409
    found = [(action["action"], action["reason"]) for action in api.get(f"destinations/{hook.pk}/actions")["items"]]
    assert found == [("skip", ""), ("pause", "moving")]
    assert all(action.actor.startswith("token ") for action in DestinationAction.objects.all())
    Health.objects.update(state="held")
    assert api.post(f"destinations/{hook.pk}/resume", {"backlog": "deliver"})[1]["health"]["state"] == "ok"


def test_connections_are_made_and_switched(api: Api, hook: Destination) -> None:
    other = Source.objects.create(name="app", write_key="k")
    status, made = api.post("connections", {"source": other.pk, "destination": hook.pk, "enabled": False})
    assert (status, made["enabled"]) == (201, False)
    assert api.post("connections", {"source": other.pk, "destination": hook.pk})[0] == 409
    assert api.post("connections", {"source": 10**6, "destination": hook.pk})[0] == 404
    assert api.patch(f"connections/{made['id']}", {"enabled": True})[1]["enabled"] is True
    listed = api.get("connections", source=other.pk)["items"]
    assert [row["id"] for row in listed] == [made["id"]]
    assert len(api.get("connections", destination=hook.pk)["items"]) == 2


def test_the_types_come_with_their_schemas(api: Api) -> None:
    found = {kind["type"]: kind for kind in api.get("destination-types")}
    assert set(found) == {"inbox", "webhook"}
    schema = found["webhook"]["config_schema"]
    assert schema["required"] == ["webhookUrl"]
    assert schema["additionalProperties"] is False


def test_events_are_found_with_their_fates(api: Api, hook: Destination, source: Source) -> None:
    store(source, "m1", "m2")
    (event,) = api.get("events", message_id="m1")["items"]
    assert (event["source"], event["user_key"], event["payload"]) == ("web", "u", {"messageId": "m1", "type": "track"})
    assert [(fate["destination"], fate["state"]) for fate in event["destinations"]] == [("hook", "pending")]
    assert api.get(f"events/{event['place']}") == event
    assert api.get("events", message_id="m1", source=source.pk + 1)["items"] == []
    assert api.call("GET", "events/1-2-3")[0] == 404


def test_the_log_is_walked_by_cursors(api: Api, source: Source) -> None:
    store(source, *(f"m{number}" for number in range(7)))
    store(source, "other", user="v", lane=4)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3, "source": source.pk, "since": "2020-01-01T00:00:00Z"}
    while True:
        found = api.get("events", **query)
        seen += [event["message_id"] for event in found["items"]]
        if found["next"] is None:
            break
        query["cursor"] = found["next"]
    assert seen == ["other", *(f"m{number}" for number in reversed(range(7)))]
    assert api.get("events", until="2020-01-01T00:00:00Z")["items"] == []


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("events", {"limit": 0}, "limit"),
        ("events", {"limit": 101}, "limit"),
        ("events", {"cursor": "x"}, "cursor"),
        ("events", {"since": "yesterday"}, "since"),
        ("events", {"sinse": "2020-01-01T00:00:00Z"}, "sinse"),
        ("sources", {"cursor": "-1"}, "cursor"),
        ("sources", {"limit": "many"}, "limit"),
        ("deliveries", {"state": "lost"}, "state"),
        ("rejected-events", {"source": "x"}, "source"),
    ],
)
def test_a_wrong_query_is_refused_with_the_parameter(api: Api, path: str, query: Any, field: str) -> None:
    status, answer = api.call("GET", path, **query)
    assert (status, [error["field"] for error in answer["errors"]]) == (400, [field])


def test_lists_of_rows_are_walked_by_cursors(api: Api) -> None:
    for number in range(5):
        Source.objects.create(name=f"s{number}", write_key=f"k{number}")
    first = api.get("sources", limit=2)
    second = api.get("sources", limit=2, cursor=first["next"])
    last = api.get("sources", limit=2, cursor=second["next"])
    assert [row["name"] for page in (first, second, last) for row in page["items"]] == ["s0", "s1", "s2", "s3", "s4"]
    assert last["next"] is None


@pytest.fixture
def letters(hook: Destination, source: Source) -> list[Delivery]:
    """Three dead letters of two reasons and a failed row."""
    store(source, "a", "b", "c", "d")
    events = list(Event.objects.order_by("xid"))
    link = Connection.objects.get()
    rows = []
    for event, state, reason in zip(
        events,
        ["aborted", "aborted", "aborted", "failed"],
        ["HTTP 400", "HTTP 404", "HTTP 400", "HTTP 500"],
        strict=True,
    ):
        rows.append(
            Delivery.objects.create(
                connection=link,
                lane=event.lane,
                user_key=event.user_key,
                xid=event.xid,
                position=event.position,
                day=event.day,
                message_id=event.message_id,
                state=state,
                reason=reason,
                attempts=1,
                next_attempt_at=timezone.now() if state == "failed" else None,
                payload=event.payload if state == "aborted" else None,
                response={"status": 400, "error": "", "body": "no"} if state == "aborted" else None,
            )
        )
    Attempt.objects.create(
        connection=link,
        xid=rows[0].xid,
        position=rows[0].position,
        message_id="a",
        at=timezone.now(),
        status=400,
        outcome="aborted",
        response="no",
        duration_ms=3,
    )
    return rows


def test_dead_letters_are_listed_by_destination_reason_and_time(
    api: Api, hook: Destination, letters: list[Delivery]
) -> None:
    def ids(**query: Any) -> list[str]:
        return [row["message_id"] for row in api.get("dead-letters", **query)["items"]]

    assert ids() == ["c", "b", "a"]
    assert ids(reason="HTTP 400") == ["c", "a"]
    assert ids(destination=hook.pk, source=Source.objects.get().pk) == ["c", "b", "a"]
    assert ids(destination=hook.pk + 1) == []
    assert ids(until="2020-01-01T00:00:00Z") == []
    assert ids(since="2020-01-01T00:00:00Z") == ["c", "b", "a"]
    first = api.get("dead-letters", limit=2)
    assert ids(limit=2, cursor=first["next"]) == ["a"]
    assert first["items"][0]["response"] == {"status": 400, "error": "", "body": "no"}
    assert json.loads(first["items"][0]["payload"])["messageId"] == "c"


def test_deliveries_are_listed_with_their_attempts(api: Api, letters: list[Delivery]) -> None:
    assert [row["state"] for row in api.get("deliveries")["items"]] == ["failed", "aborted", "aborted", "aborted"]
    (row,) = api.get("deliveries", state="failed")["items"]
    assert row["next_attempt_at"].endswith("Z")
    whole = api.get(f"deliveries/{letters[0].pk}")
    assert api.get(f"events/{whole['place']}")["message_id"] == "a"
    (tried,) = api.get(f"deliveries/{letters[0].pk}/attempts")["items"]
    assert (tried["status"], tried["response"], tried["duration_ms"]) == (400, "no", 3)
    assert api.call("GET", "deliveries/0")[0] == api.call("GET", "deliveries/0/attempts")[0] == 404


def test_rejected_events_are_listed(api: Api, source: Source) -> None:
    for number in range(3):
        RejectedEvent.objects.create(
            source=source, received_at=timezone.now(), message_id=f"m{number}", reason="too deep", payload="{"
        )
    found = api.get("rejected-events", source=source.pk, limit=2)
    assert [row["message_id"] for row in found["items"]] == ["m2", "m1"]
    assert [row["message_id"] for row in api.get("rejected-events", message_id="m0")["items"]] == ["m0"]


def test_what_is_not_there_is_a_problem_in_json(api: Api) -> None:
    for path in ("sources/5", f"sources/{10**30}", "destinations/5", "connections/5", "nowhere", "sources/x", ""):
        status, body = api.call("GET", path)
        assert (status, body["status"], body["title"]) == (404, 404, "Not Found"), path
    assert api.call("DELETE", "sources")[0] == 405
    assert api.post("nowhere", {})[0] == 404


def test_a_body_that_is_not_json_is_refused(api: Api) -> None:
    headers = {"authorization": f"Bearer {api.secret}"}
    answer = Client().post("/api/v1/sources", b"{", content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    answer = Client().post("/api/v1/sources", {"name": "web"}, headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json")
    assert Source.objects.count() == 0


def test_answers_are_never_cached_and_json_whatever_is_asked_for(api: Api) -> None:
    answer = Client().get("/api/v1/mode", {}, headers={"authorization": f"Bearer {api.secret}", "accept": "text/html"})
    assert (answer.status_code, answer["Content-Type"], answer["Cache-Control"]) == (
        200,
        "application/json",
        "no-store",
    )


def test_a_database_that_is_away_is_said_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("could not connect to server: secret-host")

    monkeypatch.setattr("destinations.status.snapshot", away)
    answer = Client().get("/api/v1/status", headers={"authorization": f"Bearer {api.secret}"})
    assert (answer.status_code, answer["Retry-After"], answer.json()["detail"]) == (503, "15", "service unavailable")


def test_ingest_takes_no_token_and_keeps_its_own_errors(api: Api, source: Source) -> None:
    answer = Client().post("/v1/track", b"{}", content_type="text/plain")
    assert (answer.status_code, answer.content) == (401, b"failed to read writekey from header")


def test_lists_read_no_whole_table(api: Api, letters: list[Delivery], allowed: Callable[..., Api]) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        for path in ("events", "deliveries", "dead-letters", "rejected-events", "sources", "destinations"):
            api.get(path)
    asked = [query["sql"].lower() for query in queries]
    assert not [sql for sql in asked if "count(*) from ingest_event" in sql or "offset" in sql]
    assert not [sql for sql in asked if "count(*)" in sql and "destinations_" in sql]
