"""Bytes to JSON values: nothing lost, nothing that cannot be stored, one kind of error."""

import contextlib
import gzip
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import BodyError, decode, parse

MAX = 1000


def refusal(body: bytes, encoding: str = "", max_bytes: int = MAX) -> tuple[int, str]:
    with pytest.raises(BodyError) as caught:
        decode(body, encoding, max_bytes)
    return caught.value.status, caught.value.reason


def written(text: bytes) -> bytes:
    return orjson.dumps(parse(text))


@pytest.mark.parametrize(
    "number",
    [
        b"9007199254740993",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"123456789012345678901234567890123456789012345678901234567890",
        b"0.1234567890123456789",
        b"123456789.123456789",
        b"0.30000000000000004",
        b"9" * 5000,
    ],
)
def test_a_number_is_written_out_with_the_digits_it_came_with(number: bytes) -> None:
    assert written(b'{"n":' + number + b"}") == b'{"n":' + number + b"}"


@pytest.mark.parametrize(
    "text", [b"NaN", b"[Infinity]", b'{"n":-Infinity}', b"[1e400]", b"[1e400,12345678901234567890]"]
)
def test_numbers_that_json_does_not_have_are_refused(text: bytes) -> None:
    assert refusal(text) == (400, "invalid json")


def test_nul_is_removed_from_keys_and_values_and_only_where_it_is_one() -> None:
    assert parse(rb'{"a\u0000b": "c\u0000", "d": "\\u0000"}') == {"ab": "c", "d": "\\u0000"}


def test_a_lone_surrogate_becomes_the_replacement_character_and_a_pair_stays() -> None:
    assert parse(rb'["\ud83d\ude00", "x\ud800y", "\uDE00", "\ud83d\ud83d\ude00"]') == ["😀", "x�y", "�", "�😀"]


def test_bytes_that_are_not_utf8_become_the_replacement_character() -> None:
    assert parse(b'{"name": "caf\xe9"}') == {"name": "caf�"}


def test_of_duplicate_keys_the_last_counts() -> None:
    assert parse(b'{"a": 1, "a": 2}') == {"a": 2}
    assert parse(b'{"a": 12345678901234567890, "a": 2}') == {"a": 2}


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"  \n", gzip.compress(b"")], ids=["nothing", "blank", "gzip of nothing"])
def test_an_empty_body_has_its_own_words(body: bytes) -> None:
    assert refusal(body) == (400, "request body is nil")


@pytest.mark.parametrize("body", [b"{", b"userId=1", b"{}x", b'"\x00"', b"\x00", b'{"a": 1,}', b'{"a": "\\'])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(body) == (400, "invalid json")


@pytest.mark.parametrize("text", [b"[" * 1_000_000, b"[1234567890123456789," * 500_000, b'{"a":' * 1_000_000])
def test_bottomless_nesting_is_refused_without_harm(text: bytes) -> None:
    assert refusal(text, max_bytes=20_000_000) == (400, "invalid json")


def test_gzip_is_recognised_by_header_or_by_its_first_bytes() -> None:
    packed = gzip.compress(b'{"a": 1}')

    assert decode(packed, "gzip", MAX) == {"a": 1}
    assert decode(packed, "", MAX) == {"a": 1}


def test_a_gzip_body_of_several_members_with_padding_is_one_text() -> None:
    body = gzip.compress(b'{"a":') + gzip.compress(b" 1}") + b"\0\0\0"

    assert decode(body, "gzip", MAX) == {"a": 1}


@pytest.mark.parametrize("cut", [1, 5, 12, -1])
def test_a_truncated_gzip_body_is_refused(cut: int) -> None:
    assert refusal(gzip.compress(b'{"a": 1}')[:cut], "gzip") == (400, "truncated gzip")


@pytest.mark.parametrize(
    "body",
    [b'{"a": 1}', gzip.compress(b"{}") + b"garbage", gzip.compress(b" ") * 100],
    ids=["plain json", "with garbage behind", "of too many members"],
)
def test_what_only_claims_to_be_gzip_is_refused(body: bytes) -> None:
    assert refusal(body, "gzip") == (400, "invalid gzip")


def test_a_gzip_bomb_is_refused_after_the_limit_and_not_after_inflating() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    assert refusal(bomb, "gzip") == (413, "request size exceeds max limit")


def test_the_limit_counts_all_gzip_members_together() -> None:
    assert refusal(gzip.compress(b" " * 600) * 2, "gzip") == (413, "request size exceeds max limit")


def test_a_body_of_exactly_the_limit_is_accepted() -> None:
    body = b'"' + b"x" * (MAX - 2) + b'"'

    assert decode(gzip.compress(body), "gzip", MAX) == "x" * (MAX - 2)
    assert refusal(body + b" ")[0] == 413


@given(st.binary(max_size=200), st.sampled_from(["", "gzip"]))
def test_any_bytes_are_decoded_or_refused(body: bytes, encoding: str) -> None:
    with contextlib.suppress(BodyError):
        decode(body, encoding, MAX)


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
# Also what Python writes and PostgreSQL cannot hold: NUL and lone surrogates.
HARD_TEXT = st.text(st.characters() | st.sampled_from("\x00\ud800\udfff\ud83d\\u0"), max_size=20)


@given(JSON, st.booleans())
def test_what_was_sent_is_what_is_written_out(value: Any, ensure_ascii: bool) -> None:
    assert json.loads(written(json.dumps(value, ensure_ascii=ensure_ascii).encode())) == value


@given(HARD_TEXT, HARD_TEXT)
def test_what_is_written_out_can_be_stored(key: str, value: str) -> None:
    text = written(json.dumps({key: [value]}).encode()).decode()

    assert "\x00" not in text
    assert json.loads(text) == json.loads(text.encode("utf-8"))
    assert "\\u0000" not in text.replace("\\\\", "")
