"""The official web SDKs while the product is away, too busy or ending: no event is lost, and each arrives once."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.browser import faults
from tests.browser.visitor import SDKS, Visitor
from tests.browser.world import LIMITED_KEY, World

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SEGMENTS_OWN_TRIES = 10
HALF_MINUTES = 50


@pytest.fixture
def visitors(visitor: Callable[..., Visitor]) -> list[Visitor]:
    """One with each SDK, whose page is loaded and whose first event has arrived."""
    found = [visitor(sdk).come() for sdk in SDKS]
    for one in found:
        one.track("Before")
        one.until_arrived("Before")
        one.forget()
    return found


def test_pages_that_are_loaded_again_while_the_server_is_down_lose_nothing(
    shop_world: World, visitors: list[Visitor]
) -> None:
    with faults.server_down(shop_world):
        for one in visitors:
            one.track_in_vain("During 1", "During 2")
            one.reload()
            one.track_in_vain("After a reload")
            one.leave()
            one.come_back()
            one.track("In a new page")
        for one in visitors:
            one.until_asked()
            assert one.statuses() == {None}
    for one in visitors:
        one.until_all_arrived()


def test_more_pages_in_an_outage_than_segments_sdk_has_tries_lose_nothing(
    shop_world: World, visitor: Callable[..., Visitor]
) -> None:
    somebody = visitor("segment").come()
    with faults.server_down(shop_world):
        somebody.track("During")
        for number in range(SEGMENTS_OWN_TRIES + 2):
            somebody.until_asked(number + 1)
            somebody.reload()
    somebody.reload()
    somebody.until_all_arrived()


def test_more_events_than_the_default_of_100_survive_with_max_items(
    shop_world: World, visitor: Callable[..., Visitor]
) -> None:
    somebody = visitor("rudderstack", options={"queueOptions": {"maxItems": 1000}}).come()
    with faults.server_down(shop_world):
        somebody.track(*(f"Event {number}" for number in range(150)))
        somebody.until_asked(150)
    somebody.until_all_arrived()


def test_after_22_minutes_an_event_is_given_up_unless_max_attempts_is_raised(
    shop_world: World, visitor: Callable[..., Visitor]
) -> None:
    patient = visitor("rudderstack", options={"queueOptions": {"maxAttempts": 100}})
    both = [visitor("rudderstack"), patient]
    for one in both:
        one.page.clock.install()
        one.come()
    with faults.server_down(shop_world):
        for one in both:
            one.track("During")
            for _ in range(HALF_MINUTES):
                one.page.clock.fast_forward(30_000)
                one.page.wait_for_timeout(50)  # for the system to refuse what is sent
    for one in both:
        one.page.clock.fast_forward(600_000)
        one.track("After")
        one.until_arrived("After")
    patient.until_arrived("During")
    assert [sorted(one.names()) for one in both] == [["After"], ["After", "During"]]


@pytest.mark.parametrize("fault", [faults.database_away, faults.database_slow, faults.server_full])
def test_no_503_in_an_outage_or_an_overload_makes_the_web_sdks_drop_events(
    shop_world: World, visitors: list[Visitor], fault: Callable[[World], AbstractContextManager[None]]
) -> None:
    with fault(shop_world):
        for one in visitors:
            one.track("During 1", "During 2")
        for one in visitors:
            one.until_asked(2)
            assert {(asked.status, asked.retry_after) for asked in one.asked} == {(503, "15")}
    for one in visitors:
        one.until_all_arrived()


def test_a_page_that_a_browser_loads_first_while_the_database_is_away_begins_and_loses_nothing(
    shop_world: World, visitor: Callable[..., Visitor]
) -> None:
    with faults.restarted(shop_world), faults.database_away(shop_world):
        newcomers = [visitor(sdk).come() for sdk in SDKS]
        for one in newcomers:
            one.track("First")
            one.until_asked()
            assert one.statuses() == {503}
    for one in newcomers:
        one.until_all_arrived()


def test_a_rate_limit_makes_the_web_sdks_drop_nothing(visitor: Callable[..., Visitor]) -> None:
    for sdk in SDKS:
        one = visitor(sdk, key=LIMITED_KEY).come()
        one.track("One", "Two", "Three")
        one.until_all_arrived()
        assert one.statuses() == {200, 429}
        assert all(asked.retry_after for asked in one.asked if asked.status == 429)


def test_a_request_that_a_stopping_server_turns_away_comes_again(shop_world: World, visitors: list[Visitor]) -> None:
    for one in visitors:
        one.send_slowly(bytes_a_second=20)
        with one.page.expect_request(one.is_for_events):
            one.track("During the stop")
    shop_world.stack.stop("web")
    for one in visitors:
        one.send_slowly(bytes_a_second=-1)
        one.until_asked()
        assert one.statuses() <= {503, None}
    shop_world.stack.start("web")
    for one in visitors:
        one.until_all_arrived()


def test_an_answer_later_than_the_sdks_patience_brings_no_event_twice(
    shop_world: World, visitors: list[Visitor]
) -> None:
    hasty, _ = visitors  # Segment's waits for as long as it takes
    with faults.restarted(shop_world, INGEST_COMMIT_TIMEOUT_SECONDS="60"):
        hasty.track("In time")
        hasty.until_arrived("In time")
        hasty.asked.clear()
        with faults.log_frozen(shop_world):
            for one in visitors:
                one.track("During")
            hasty.until_asked()
            assert hasty.statuses() == {None}
        hasty.until(lambda: shop_world.counted("rudderproj_ingested_events_total", "duplicate") == 1)
        for one in visitors:
            one.until_all_arrived()
