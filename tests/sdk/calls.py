"""What an application does with an SDK, and what must arrive of it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

ROUNDS = 9
USERS = ("ada", "grace", "Zoë")
# One round of a user: SDK call -> its fields besides the user; `seq` is put where the call keeps its own values.
ROUND: tuple[tuple[str, dict[str, Any]], ...] = (
    ("identify", {"traits": {"plan": "pro"}}),
    ("group", {"groupId": "g1", "traits": {"name": "Group"}}),
    ("page", {"category": "docs", "name": "Home", "properties": {"url": "https://shop.example.test/"}}),
    ("screen", {"category": "app", "name": "Main", "properties": {}}),
    ("alias", {}),
    ("track", {"event": "Order Completed", "properties": {"total": 9.99, "items": ["ä", {"sku": 1}]}}),
)
COUNT = ROUNDS * len(ROUND) * len(USERS)

Call = tuple[str, dict[str, Any]]


def rounds() -> Iterator[list[Call]]:
    """Each round's calls, users side by side; `seq` counts each user's calls from 0."""
    for number in range(ROUNDS):
        yield [_call(user, number * len(ROUND) + place) for place in range(len(ROUND)) for user in USERS]


def _call(user: str, seq: int) -> Call:
    kind, fields = ROUND[seq % len(ROUND)]
    message: dict[str, Any] = {"userId": user, **fields}
    if kind == "alias":
        return kind, message | {"previousId": f"old-{seq}"}
    holder = "traits" if "traits" in fields else "properties"
    return kind, message | {holder: {**fields[holder], "seq": seq}}


def expected() -> dict[str, list[Call]]:
    """Each user's calls in order, as `arrived` gives them."""
    found: dict[str, list[Call]] = {user: [] for user in USERS}
    for calls in rounds():
        for kind, message in calls:
            found[message["userId"]].append((kind, message))
    return found


def arrived(event: Mapping[str, Any]) -> Call:
    """A delivered event as the call that made it: SDKs differ in where they keep things."""
    found = {
        name: event[name] for name in ("userId", "groupId", "category", "name", "event", "previousId") if name in event
    }
    if event["type"] in {"identify", "group"}:
        found["traits"] = event.get("traits") or event["context"]["traits"]
    elif event["type"] != "alias":
        copied = {name: found.get(name) for name in ("category", "name")}  # Segment repeats them among the properties
        found["properties"] = {k: v for k, v in event["properties"].items() if copied.get(k) != v}
    return event["type"], found
