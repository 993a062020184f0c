"""Which events are a person's."""

from typing import Any

import pytest

from destinations.forget.person import Person, parsed, pseudonym

ADA = Person("ada", frozenset({"d1"}))


@pytest.mark.parametrize(
    ("event", "theirs"),
    [
        ({"userId": "ada"}, True),
        ({"userId": "ada", "anonymousId": "d9"}, True),
        ({"anonymousId": "ada"}, True),
        ({"userId": "bob", "previousId": "ada"}, True),
        ({"anonymousId": "d1"}, True),
        ({"anonymousId": "d1", "userId": ""}, True),
        ({"anonymousId": "d1", "userId": "bob"}, False),
        ({"userId": "d1"}, False),
        ({"userId": "bob", "properties": {"userId": "ada"}}, False),
        ({"userId": "ada2"}, False),
        ({}, False),
    ],
)
def test_an_event_is_theirs_by_their_id_or_from_their_device_by_nobody_else(
    event: dict[str, Any], theirs: bool
) -> None:
    assert ADA.owns(event) is theirs


def test_a_device_is_known_from_an_event_that_carries_their_user_id() -> None:
    person = Person("ada")
    for event in (
        {"userId": "ada", "anonymousId": "d1"},
        {"userId": "ada", "previousId": "d2", "type": "alias"},
        {"userId": "ada", "anonymousId": "ada"},
        {"userId": "bob", "anonymousId": "d3"},
        {"anonymousId": "d4"},
    ):
        person = person.with_devices_of(event)
    assert person.devices == {"d1", "d2"}


def test_an_id_that_came_as_a_number_is_the_same_as_its_text() -> None:
    assert Person("42").owns({"userId": 42})


def test_a_pseudonym_is_the_same_for_the_same_id_and_does_not_show_it() -> None:
    assert pseudonym("ada") == pseudonym("ada") != pseudonym("bob")
    assert "ada" not in pseudonym("ada")
    assert len(pseudonym("a" * 1000)) == 42


@pytest.mark.parametrize("text", [None, "", "no JSON", "[1]", '"text"'])
def test_what_is_no_event_is_none(text: str | None) -> None:
    assert parsed(text) is None
