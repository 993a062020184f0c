"""The official web SDKs, unchanged, in pages of another origin: every call, its content and its order."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.browser.visitor import Visitor
from tests.sdk import calls

pytestmark = [pytest.mark.slow, pytest.mark.browser]

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
ITEMS = ["ä", {"sku": 1}]
# The parameters of each call, which both SDKs share, and what must arrive of it.
CALLS: tuple[Call, ...] = (
    ("page", ("docs", "Home", {"seq": 0}), {"category": "docs", "name": "Home", "properties": {"seq": 0}}),
    ("track", ("Seen", {"items": ITEMS}), {"event": "Seen", "properties": {"items": ITEMS}}),
    ("identify", ("ada", {"plan": "pro"}), {"userId": "ada", "traits": {"plan": "pro"}}),
    ("group", ("g1", {"name": "Group"}), {"userId": "ada", "groupId": "g1", "traits": {"name": "Group"}}),
    (
        "screen",
        ("app", "Main", {"seq": 1}),
        {"userId": "ada", "category": "app", "name": "Main", "properties": {"seq": 1}},
    ),
    ("track", ("Paid", {"total": 9.99}), {"userId": "ada", "event": "Paid", "properties": {"total": 9.99}}),
    ("alias", ("grace", "ada"), {"userId": "grace", "previousId": "ada"}),
)
# What the SDKs say of the page by themselves.
OF_THE_PAGE = {"path", "url", "title", "search", "referrer", "referring_domain", "tab_url"}
OF_THE_PAGE |= {"initial_referrer", "initial_referring_domain"}
BATCHES = {
    "rudderstack": {"queueOptions": {"batch": {"enabled": True, "maxItems": 3, "flushInterval": 500}}},
    "segment": {"deliveryStrategy": {"strategy": "batching", "config": {"size": 3, "timeout": 500}}},
}


def known(sdk: str) -> list[Call]:
    """The calls that an SDK has, and what it makes of them."""
    if sdk == "rudderstack":
        return [call for call in CALLS if call[0] != "screen"]
    # Segment's puts the user that it knows into every event, also in the place of the one that alias names.
    return [*CALLS[:-1], ("alias", ("grace", "ada"), {"userId": "ada", "previousId": "ada"})]


def content(event: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    kind, found = calls.arrived(event)
    if "properties" in found:
        found["properties"] = {k: v for k, v in found["properties"].items() if k not in OF_THE_PAGE}
    return kind, found


def assert_arrives_in_order(somebody: Visitor) -> None:
    expected = [(kind, fields) for kind, _, fields in known(somebody.sdk)]
    somebody.until(lambda: len(somebody.arrived()) >= len(expected))
    assert [content(event) for event in somebody.arrived()] == expected


@pytest.mark.parametrize("sdk", ["rudderstack", "segment"])
def test_every_call_is_acknowledged_and_arrives_in_order_with_its_content(
    visitor: Callable[..., Visitor], sdk: str
) -> None:
    somebody = visitor(sdk).come()
    for number, (kind, arguments, _) in enumerate(known(sdk), 1):
        somebody.call(kind, *arguments)
        somebody.until_asked(number)  # they send events side by side
    assert somebody.statuses() == {200}
    assert_arrives_in_order(somebody)


@pytest.mark.parametrize("sdk", ["rudderstack", "segment"])
def test_batches_keep_the_order_of_calls_made_at_once(visitor: Callable[..., Visitor], sdk: str) -> None:
    somebody = visitor(sdk, options=BATCHES[sdk]).come()
    for kind, arguments, _ in known(sdk):
        somebody.call(kind, *arguments)
    assert_arrives_in_order(somebody)
    assert {(asked.path, asked.status) for asked in somebody.asked} == {
        ({"rudderstack": "/v1/batch", "segment": "/v1/b"}[sdk], 200)
    }


def test_beacons_arrive_also_of_a_page_that_is_left_at_once(visitor: Callable[..., Visitor]) -> None:
    somebody = visitor("rudderstack", options={"useBeacon": True, "beaconQueueOptions": {"maxItems": 2}}).come()
    somebody.track("One", "Two", "Three")
    somebody.leave()
    somebody.come_back()
    somebody.track("Four")
    somebody.leave()
    somebody.come_back()
    somebody.until_arrived(*somebody.tracked)
    assert sorted(somebody.names()) == sorted(somebody.tracked)  # beacons go side by side too
    # The browser does not always tell of a beacon's answer; of any other request's it does.
    assert {asked.path for asked in somebody.asked} <= {"/beacon/v1/batch"}
