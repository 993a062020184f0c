"""Events judged and completed: what is needed, what is added, what is refused and why."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import SourceInfo
from ingest.decode import parse
from ingest.hashing import lane_of
from ingest.validate import BatchError, Reception, Refused, Validator, Verdict, format_time, rudder_id

NOW = datetime(2026, 11, 24, 15, 0, 0, 123000, tzinfo=UTC)
NEW_ID = "00000000-0000-4000-8000-000000000001"
SOURCE = SourceInfo(7, "web", True, None, False)
ROUTE = Reception(SOURCE, NOW, "203.0.113.9", None, "track")
NAIVE = NOW.replace(tzinfo=None)
BATCH = Reception(SOURCE, NOW, "203.0.113.9")
validator = Validator(lambda: NEW_ID, max_depth=8)


def stored(verdict: Verdict) -> dict[str, Any]:
    assert verdict.refused == []
    (event,) = verdict.events
    payload: dict[str, Any] = json.loads(event.payload)
    return payload


def one(event: Any, reception: Reception = ROUTE) -> dict[str, Any]:
    return stored(validator.one(event, reception))


def reason(event: Any, reception: Reception = ROUTE) -> str:
    verdict = validator.one(event, reception)
    assert verdict.events == []
    (refused,) = verdict.refused
    (rejection,) = verdict.rejections
    assert (refused.reason, refused.message_id) == (rejection.reason, rejection.message_id)
    return refused.reason


def test_an_event_is_completed_and_keeps_what_it_came_with() -> None:
    event = {"userId": "u", "anonymousId": "a", "messageId": "m", "event": "Bought", "properties": {"price": 9.5}}

    assert one(event) == {
        "userId": "u",
        "anonymousId": "a",
        "messageId": "m",
        "event": "Bought",
        "properties": {"price": 9.5},
        "type": "track",
        "timestamp": "2026-11-24T15:00:00.123Z",
        "receivedAt": "2026-11-24T15:00:00.123Z",
        "request_ip": "203.0.113.9",
        "rudderId": rudder_id("u", "a"),
    }


def test_the_row_of_an_event_carries_its_source_id_user_key_and_lane() -> None:
    (row,) = validator.one({"userId": "u", "anonymousId": "a", "messageId": "m"}, ROUTE).events

    assert row[:4] == (7, "m", lane_of("a"), "a")


@pytest.mark.parametrize(
    ("ids", "user_id_first", "key"),
    [
        ({"userId": "u", "anonymousId": "a"}, False, "a"),
        ({"userId": "u", "anonymousId": "a"}, True, "u"),
        ({"userId": "u"}, False, "u"),
        ({"anonymousId": "a"}, True, "a"),
    ],
)
def test_the_user_key_is_the_id_that_the_source_puts_first(ids: Any, user_id_first: bool, key: str) -> None:
    source = SourceInfo(7, "web", True, None, user_id_first)

    assert validator.one(ids, Reception(source, NOW, "", None, "track")).events[0].user_key == key


def test_the_rudder_id_is_the_md5_of_both_ids_as_a_version_4_uuid() -> None:
    assert hashlib.md5(b"u:a").hexdigest() == "d7374af0fa5c906728181c4963a3798c"
    assert rudder_id("u", "a") == "d7374af0-fa5c-4067-a818-1c4963a3798c"


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("12345", "12345"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.5", "1.5"),
        ("0", "0"),
        ("true", "true"),
        ("false", "false"),
        ('{"a": [1, null]}', '{"a":[1,null]}'),
        ("[]", "[]"),
        ('" x "', " x "),
    ],
)
def test_an_id_of_any_type_becomes_text(sent: str, text: str) -> None:
    assert one(parse(f'{{"userId": {sent}}}'.encode()))["userId"] == text
    assert one(parse(f'{{"anonymousId": {sent}}}'.encode()))["anonymousId"] == text


@pytest.mark.parametrize("blank", [None, "", " ", "\t\n"])
def test_a_blank_id_is_no_id(blank: Any) -> None:
    event = one({"userId": "u", "anonymousId": blank})

    assert "anonymousId" not in event
    assert reason({"userId": blank, "anonymousId": blank}) == "request neither has anonymousId nor userId"


def test_an_event_without_ids_is_refused_in_the_words_that_mobile_sdks_look_for() -> None:
    assert reason({"event": "x"}) == "request neither has anonymousId nor userId"


@pytest.mark.parametrize("given_id", [None, "", "  ", 5, True, ["m"], {}])
def test_an_event_without_a_usable_message_id_is_given_one(given_id: Any) -> None:
    verdict = validator.one({"userId": "u", "messageId": given_id}, ROUTE)

    assert stored(verdict)["messageId"] == verdict.events[0].message_id == NEW_ID


@pytest.mark.parametrize("name", ["messageId", "userId", "anonymousId"])
def test_an_id_longer_than_an_index_takes_is_refused(name: str) -> None:
    assert one({"userId": "u", "anonymousId": "a", "messageId": "m"} | {name: "é" * 500})[name] == "é" * 500
    assert reason({"userId": "u", "messageId": "m"} | {name: "é" * 501}) == f"{name} is longer than 1000 bytes"


@pytest.mark.parametrize("value", [None, 1, "x", [], [{"userId": "u"}], True])
def test_what_is_not_an_object_is_no_event(value: Any) -> None:
    assert reason(value) == "event is not a JSON object"


def test_nesting_is_limited_event_by_event() -> None:
    deep = {"userId": "u", "properties": json.loads('{"a":' * 7 + "1" + "}" * 7)}
    deeper = {"userId": "u", "properties": json.loads('{"a":' * 8 + "1" + "}" * 8)}

    assert one(deep)["userId"] == "u"
    assert reason(deeper) == "event is nested more than 8 levels deep"


def test_an_event_nested_too_deeply_to_be_written_out_is_still_kept_as_refused() -> None:
    (rejection,) = validator.one(parse(b'{"a":' * 900 + b"1" + b"}" * 900), ROUTE).rejections

    assert json.loads(rejection.payload) == "nested too deeply to be kept"


def test_the_route_names_the_type_and_a_batch_has_each_event_name_its_own() -> None:
    assert one({"userId": "u", "type": "page"})["type"] == "track"
    assert stored(validator.batch({"batch": [{"userId": "u", "type": "Screen"}]}, BATCH))["type"] == "screen"
    assert reason({"userId": "u"}, BATCH) == "event has no type"
    assert reason({"userId": "u", "type": ""}, BATCH) == "event has no type"
    assert reason({"userId": "u", "type": "click"}, BATCH) == "event has an unknown type"
    assert reason({"userId": "u", "type": 5}, BATCH) == "event has an unknown type"


def test_bad_events_of_a_batch_do_not_harm_the_good_ones() -> None:
    good = {"type": "track", "userId": "u", "messageId": "good"}
    verdict = validator.batch({"batch": [5, good, {"type": "track", "messageId": "bad"}]}, BATCH)

    assert [event.message_id for event in verdict.events] == ["good"]
    assert verdict.refused == [
        Refused(0, "", "event is not a JSON object"),
        Refused(2, "bad", "request neither has anonymousId nor userId"),
    ]
    assert [json.loads(rejection.payload) for rejection in verdict.rejections] == [
        5,
        {"type": "track", "messageId": "bad"},
    ]


@pytest.mark.parametrize("value", [{}, {"batch": []}, {"batch": None}, {"batch": {}}, {"batch": "x"}, [], 5, None])
def test_a_batch_without_events_is_refused(value: Any) -> None:
    with pytest.raises(BatchError, match="empty batch payload"):
        validator.batch(value, BATCH)


@pytest.mark.parametrize("name", ["originalTimestamp", "timestamp"])
def test_the_time_of_an_event_is_corrected_by_what_the_clients_clock_says_of_both_times(name: str) -> None:
    event = one({"userId": "u", name: "2020-01-01T00:00:00.000Z", "sentAt": "2020-01-01T00:01:00.500Z"})

    assert event["originalTimestamp"] == "2020-01-01T00:00:00.000Z"
    assert event["timestamp"] == "2026-11-24T14:58:59.623Z"
    assert event["receivedAt"] == "2026-11-24T15:00:00.123Z"


def test_the_base_of_the_correction_is_the_events_time_of_sending_then_the_batchs_then_the_headers() -> None:
    header = Reception(SOURCE, NOW, "", "2020-01-01T00:00:10Z")

    def timestamps(batch_sent_at: Any, event_sent_at: Any) -> tuple[str, Any]:
        event = {"type": "track", "userId": "u", "timestamp": "2020-01-01T00:00:00Z", "sentAt": event_sent_at}
        complete = stored(validator.batch({"batch": [event], "sentAt": batch_sent_at}, header))
        return complete["timestamp"], complete["sentAt"]

    assert timestamps("2020-01-01T00:00:20Z", "2020-01-01T00:00:30Z") == (
        "2026-11-24T14:59:30.123Z",
        "2020-01-01T00:00:30Z",
    )
    assert timestamps("2020-01-01T00:00:20Z", None) == ("2026-11-24T14:59:40.123Z", "2020-01-01T00:00:20Z")
    assert timestamps(5, None) == ("2026-11-24T14:59:50.123Z", "2020-01-01T00:00:10Z")


@pytest.mark.parametrize(
    ("original", "sent_at", "timestamp"),
    [
        ("2020-01-01T01:00:00+01:00", None, "2020-01-01T00:00:00.000Z"),
        ("2020-01-01T00:00:00.150132+00:00", None, "2020-01-01T00:00:00.150Z"),
        ("2020-01-01T00:00:00", None, "2020-01-01T00:00:00.000Z"),
        ("yesterday", "2020-01-01T00:00:00Z", "2026-11-24T15:00:00.123Z"),
        (1577836800000, "2020-01-01T00:00:00Z", "2026-11-24T15:00:00.123Z"),
        ("2020-01-01T00:00:00Z", "soon", "2020-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59Z", "2026-11-24T15:00:00.123Z"),
    ],
)
def test_without_two_usable_times_there_is_no_correction(original: Any, sent_at: Any, timestamp: str) -> None:
    assert one({"userId": "u", "originalTimestamp": original, "sentAt": sent_at})["timestamp"] == timestamp


def test_the_clients_own_address_wins() -> None:
    assert one({"userId": "u", "request_ip": "198.51.100.7"})["request_ip"] == "198.51.100.7"
    assert one({"userId": "u", "request_ip": ""})["request_ip"] == "203.0.113.9"


def test_the_write_key_is_stored_with_no_event_and_no_refused_one() -> None:
    assert "writeKey" not in one({"userId": "u", "writeKey": "secret"})
    (rejection,) = validator.one({"writeKey": "secret"}, ROUTE).rejections
    assert "secret" not in rejection.payload


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert format_time(NOW + timedelta(microseconds=999)) == "2026-11-24T15:00:00.123Z"
    assert format_time(NOW.replace(microsecond=0)) == "2026-11-24T15:00:00.000Z"
    assert format_time(NOW.replace(year=7)) == "0007-11-24T15:00:00.123Z"


@given(st.datetimes(NAIVE.replace(year=2), NAIVE.replace(year=9998), timezones=st.timezones()))
def test_any_time_is_written_as_the_standard_library_writes_it(moment: datetime) -> None:
    standard = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    assert format_time(moment) == standard.replace("+00:00", "Z")


IDS = st.none() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(st.text())
TEXTS = st.none() | st.text() | st.integers()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "userId": IDS,
            "anonymousId": IDS,
            "messageId": IDS,
            "type": TEXTS,
            "sentAt": TEXTS,
            "timestamp": TEXTS,
            "originalTimestamp": st.datetimes().map(str) | TEXTS,
            "request_ip": TEXTS,
        },
    )
)
def test_every_event_is_either_stored_or_refused(event: dict[str, Any]) -> None:
    sent = parse(json.dumps({"batch": [event]}).encode())
    verdict = validator.batch(sent, BATCH)

    assert len(verdict.events) + len(verdict.rejections) == 1
    for row in verdict.events:
        assert "\x00" not in row.payload
        assert 0 < len(row.message_id.encode()) <= 1000
        assert 0 < len(row.user_key.encode()) <= 1000
        assert isinstance(json.loads(row.payload).get("userId", ""), str)
