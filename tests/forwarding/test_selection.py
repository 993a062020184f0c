"""Which events a connection wants: gaps, filters, the event's own integrations. Pure."""

from typing import Any

import pytest

from destinations.selection import Gap, Wanted, unwanted

NAMES = frozenset({"hook", "webhook"})
TRACK = {"type": "track", "event": "Bought"}


def reason(event: dict[str, Any], xid: int = 5, gaps: Any = (), event_filter: Any = None) -> str | None:
    return unwanted(event, xid, Wanted(True, [Gap.stored(*gap) for gap in gaps], event_filter or {}, NAMES))


@pytest.mark.parametrize(
    ("xid", "expected"), [(9, None), (10, "disabled"), (19, "disabled"), (20, None), (29, None), (30, "disabled")]
)
def test_a_gap_includes_its_first_xid_and_excludes_its_last(xid: int, expected: str | None) -> None:
    assert reason(TRACK, xid, [(10, 20, None), (30, None, None)]) == expected


@pytest.mark.parametrize(
    ("xid", "expected"), [(19, "disabled"), (21, "disabled"), (22, None), (23, "disabled"), (25, None)]
)
def test_a_gap_includes_what_had_been_committed_when_it_ended(xid: int, expected: str | None) -> None:
    assert reason(TRACK, xid, [(10, 20, "20:25:20,22")]) == expected


@pytest.mark.parametrize(
    ("event", "event_filter", "expected"),
    [
        (TRACK, {}, None),
        (TRACK, {"allow": ["Bought"]}, None),
        (TRACK, {"allow": ["Sold"]}, "event_filter"),
        (TRACK, {"allow": []}, "event_filter"),
        (TRACK, {"deny": ["Bought"]}, "event_filter"),
        (TRACK | {"event": " Bought "}, {"deny": ["Bought"]}, "event_filter"),
        ({"type": "track"}, {"allow": ["Bought"]}, "event_filter"),
        ({"type": "track", "event": {"odd": 1}}, {"deny": ["Bought"]}, None),
        ({"type": "page", "event": "Bought"}, {"deny": ["Bought"]}, None),
        ({"type": "identify"}, {"allow": ["Bought"]}, None),
    ],
)
def test_filters_go_by_the_name_of_track_events(event: Any, event_filter: Any, expected: str | None) -> None:
    assert reason(event, event_filter=event_filter) == expected


@pytest.mark.parametrize(
    ("integrations", "expected"),
    [
        (None, None),
        ("All", None),
        ([], None),
        ({}, None),
        ({"All": True}, None),
        ({"All": False}, "integrations"),
        ({"all": False}, "integrations"),
        ({"All": False, "Hook": True}, None),
        ({"All": False, "WEBHOOK": {"option": 1}}, None),
        ({"All": True, "hook": False}, "integrations"),
        ({"hook": {}}, None),
        ({"hook": None}, None),
        ({"other": False}, None),
    ],
)
def test_the_destinations_own_entry_goes_before_all(integrations: Any, expected: str | None) -> None:
    assert reason(TRACK | {"integrations": integrations}) == expected
