"""What is sent: sizes, users, numbers."""

import json
from collections import Counter
from random import Random

import pytest

from destinations.verify.load import Load, Mix, Span
from destinations.verify.sender import Task
from destinations.verify.traffic import Numbered, Traffic, is_whole, message_id, numbered

RUN = "verify-1"


def test_a_mix_is_read_as_typed() -> None:
    assert Mix.parse("1*9,20-50, 100", 1) == Mix((Span(1, 1, 9), Span(20, 50), Span(100, 100)))


@pytest.mark.parametrize("text", ["", "0", "5-2", "1*0", "a", "1,,2", "-1"])
def test_a_mix_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected sizes from 1"):
        Mix.parse(text, 1)


def test_sizes_are_drawn_by_weight_and_range() -> None:
    random, mix = Random(1), Mix.parse("1*3,5-6", 1)
    drawn = Counter(mix.draw(random) for _ in range(4000))

    assert set(drawn) == {1, 5, 6}
    assert 2850 < drawn[1] < 3150


def test_a_user_has_no_two_requests_at_a_time_and_is_numbered_without_a_gap() -> None:
    traffic = Traffic(Load(users=3, batch=Mix.parse("2", 1)), RUN, 0)
    numbers: dict[int, list[int]] = {user: [] for user in range(3)}
    for _ in range(200):
        first, second = traffic.take(), traffic.take()
        assert not {event.user for event in first} & {event.user for event in second}
        for event in first + second:
            numbers[event.user].append(event.number)
        traffic.free(first)
        traffic.free(second)

    assert all(found == list(range(len(found))) and found for found in numbers.values())


def test_nobody_is_taken_while_all_are_busy() -> None:
    traffic = Traffic(Load(users=1), RUN, 0)
    only = traffic.take()

    assert only == [Numbered(0, 0)]
    assert traffic.take() == []
    traffic.free(only)
    assert traffic.take() == [Numbered(0, 1)]


def test_busy_users_send_more_by_zipf() -> None:
    traffic = Traffic(Load(users=10, zipf=1.0), RUN, 0)
    drawn: Counter[int] = Counter()
    for _ in range(5000):
        events = traffic.take()
        drawn.update(event.user for event in events)
        traffic.free(events)

    assert 1.7 < drawn[0] / drawn[1] < 2.3
    assert 2.5 < drawn[0] / drawn[2] < 3.5


def test_parts_share_users_and_rate() -> None:
    load = Load(users=7, processes=3, zipf=1.0)
    parts = [Traffic(load, RUN, part) for part in range(3)]

    assert sum(part.share for part in parts) == pytest.approx(1.0)
    assert {event.user for event in parts[1].take() + parts[1].take()} == {1, 4}


def test_the_same_seed_sends_the_same() -> None:
    def some(seed: int) -> list[Numbered]:
        traffic = Traffic(Load(users=50, seed=seed), RUN, 0)
        return [event for _ in range(20) for event in traffic.take()]

    assert some(1) == some(1) != some(2)


def test_a_message_id_names_its_event_and_no_other_runs() -> None:
    event = Numbered(12, 345)

    assert numbered(RUN, message_id(RUN, event)) == event
    assert [numbered(RUN, text) for text in ("verify-2-12-345", "verify-1-x-1", "", "1-2")] == [None] * 4


def test_payload_bytes_are_added_to_each_event() -> None:
    traffic = Traffic(Load(payload=Mix.parse("70000", 0)), RUN, 0)

    properties = traffic.event(Numbered(0, 0))["properties"]

    assert isinstance(properties, dict)
    assert len(properties["text"]) == 70000


def test_a_task_survives_its_way_to_the_process() -> None:
    task = Task(Load(batch=Mix.parse("1*9,20-50", 1)), 0, RUN, ["http://x"], "key", "/ledger")

    assert Task.parse(task.dump()) == task


def test_an_event_that_was_changed_on_its_way_is_told_from_what_was_sent() -> None:
    traffic = Traffic(Load(), RUN, 0)
    first, second = (traffic.event(Numbered(1, number)) for number in (0, 1))
    assert is_whole(first)
    assert is_whole(json.loads(json.dumps(first)))
    for changed in (
        {"userId": f"{RUN}-2"},
        {"properties": second["properties"]},
        {"properties": None},
        {"properties": first["properties"] | {"text": "other"}},
        {"messageId": second["messageId"]},
    ):
        assert not is_whole(first | changed), changed
    assert is_whole({"messageId": "of somebody else"})
