"""The official web SDKs, unchanged, in pages of another origin: every call, its content and its order."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.browser.visitor import SDKS, Visitor
from tests.browser.world import World
from tests.sdk import calls

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ITEMS = ["ä", {"sku": 1}]
# The order of the parameters, which is the same in both SDKs.
PARAMETERS = {
    "page": ("category", "name", "properties"),
    "screen": ("category", "name", "properties"),
    "track": ("event", "properties"),
    "identify": ("userId", "traits"),
    "group": ("groupId", "traits"),
    "alias": ("userId", "previousId"),
}
# A visitor has no userId before `identify`; afterwards the SDK says it itself.
CALLS: tuple[calls.Call, ...] = (
    ("page", {"category": "docs", "name": "Home", "properties": {"seq": 0}}),
    ("track", {"event": "Seen", "properties": {"items": ITEMS}}),
    ("identify", {"userId": "ada", "traits": {"plan": "pro"}}),
    ("group", {"userId": "ada", "groupId": "g1", "traits": {"name": "Group"}}),
    ("screen", {"userId": "ada", "category": "app", "name": "Main", "properties": {"seq": 1}}),
    ("track", {"userId": "ada", "event": "Paid", "properties": {"total": 9.99}}),
    ("alias", {"userId": "grace", "previousId": "ada"}),
)
# What the SDKs say of the page by themselves.
OF_THE_PAGE = {"path", "url", "title", "search", "referrer", "referring_domain", "tab_url"}
OF_THE_PAGE |= {"initial_referrer", "initial_referring_domain"}
BATCHES = {
    "rudderstack": {"queueOptions": {"batch": {"enabled": True, "maxItems": 3, "flushInterval": 500}}},
    "segment": {"deliveryStrategy": {"strategy": "batching", "config": {"size": 3, "timeout": 500}}},
}


def known(sdk: str) -> list[calls.Call]:
    """The calls that an SDK has."""
    return [call for call in CALLS if (sdk, call[0]) != ("rudderstack", "screen")]


def make(somebody: Visitor, call: calls.Call) -> None:
    kind, fields = call
    somebody.call(kind, *(fields[name] for name in PARAMETERS[kind]))


def content(event: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    kind, found = calls.arrived(event)
    if "properties" in found:
        found["properties"] = {k: v for k, v in found["properties"].items() if k not in OF_THE_PAGE}
    return kind, found


def assert_arrives_in_order(somebody: Visitor) -> None:
    expected = known(somebody.sdk)
    if somebody.sdk == "segment":  # it puts the user that it knows into every event, also in the place of alias's
        expected[-1] = ("alias", {"userId": "ada", "previousId": "ada"})
    somebody.until(lambda: len(somebody.arrived()) >= len(expected))
    assert [content(event) for event in somebody.arrived()] == expected


@pytest.mark.parametrize("sdk", SDKS)
def test_every_call_is_acknowledged_and_arrives_in_order_with_its_content(
    visitor: Callable[..., Visitor], sdk: str
) -> None:
    somebody = visitor(sdk).come()
    for number, call in enumerate(known(sdk), 1):
        make(somebody, call)
        somebody.until_asked(number)  # they send events side by side
    assert somebody.statuses() == {200}
    assert_arrives_in_order(somebody)


@pytest.mark.parametrize("sdk", SDKS)
def test_batches_keep_the_order_of_calls_made_at_once(visitor: Callable[..., Visitor], sdk: str) -> None:
    somebody = visitor(sdk, options=BATCHES[sdk]).come()
    for call in known(sdk):
        make(somebody, call)
    assert_arrives_in_order(somebody)
    assert {(asked.path, asked.status) for asked in somebody.asked} == {
        ({"rudderstack": "/v1/batch", "segment": "/v1/b"}[sdk], 200)
    }


def test_beacons_arrive_also_of_a_page_that_is_left_at_once(shop_world: World, visitor: Callable[..., Visitor]) -> None:
    def answered(kind: str) -> int:
        return shop_world.counted("rudderproj_request_seconds_count", kind)

    before = {kind: answered(kind) for kind in ("beacon", "event", "batch")}
    somebody = visitor("rudderstack", options={"useBeacon": True, "beaconQueueOptions": {"maxItems": 2}}).come()
    somebody.track("One", "Two", "Three")
    somebody.leave()
    somebody.come_back()
    somebody.track("Four")
    somebody.leave()
    somebody.come_back()
    somebody.until_arrived(*somebody.tracked)
    assert sorted(somebody.names()) == sorted(somebody.tracked)  # beacons go side by side too
    # The web process tells: a browser does not always say of a beacon that it was answered.
    somebody.until(lambda: answered("beacon") >= before["beacon"] + 3)
    assert {kind: answered(kind) for kind in ("event", "batch")} == {kind: before[kind] for kind in ("event", "batch")}
