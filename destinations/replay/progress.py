"""How far replays have come, in one snapshot each: for admin, API and command. Must never write."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from destinations.models import Replay, ReplayAction
from destinations.replay.selection import UNSELECTED

_LANES = """
SELECT l.replay, sum(l.delivered), sum(l.aborted), sum(l.skipped),
    jsonb_agg(l.filtered) FILTER (WHERE l.filtered <> '{}'),
    (SELECT jsonb_object_agg(state, events) FROM (
        SELECT d.state, count(*) AS events FROM destinations_lane o
        JOIN destinations_delivery d ON d.connection_id = o.connection_id AND d.replay = o.replay AND d.lane = o.number
        WHERE o.replay = l.replay AND o.replay > 0 AND d.state IN ('failed', 'waiting') GROUP BY d.state) held)
FROM destinations_effective_any_lane l WHERE l.replay = ANY(%s) AND l.replay > 0 GROUP BY l.replay
"""


@dataclass(slots=True)
class Counts:
    """A replay's own numbers, apart from its connections'."""

    delivered: int = 0
    failed: int = 0
    waiting: int = 0
    aborted: int = 0
    skipped: int = 0
    filtered: Counter[str] = field(default_factory=Counter)  # by reason, without UNSELECTED
    unselected: int = 0  # looked at, but not what was asked for

    def looked_at(self, picked: bool) -> int:
        """How many of the replay's total have been."""
        known = self.delivered + self.failed + self.waiting + self.aborted + self.skipped + self.filtered.total()
        return known if picked else known + self.unselected


def progress(pk: int) -> dict[str, Any]:
    """One replay, JSON-ready but for times. Raises Replay.DoesNotExist."""
    return listed([Replay.objects.select_related("destination", "source").get(pk=pk)])[0]


def newest(limit: int, before: int | None = None, destination_id: int | None = None) -> list[dict[str, Any]]:
    """The newest replays, newest first; `before`: the last id of the page before."""
    rows = Replay.objects.select_related("destination", "source").order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    if destination_id is not None:
        rows = rows.filter(destination=destination_id)
    return listed(list(rows[:limit]))


def listed(replays: Sequence[Replay]) -> list[dict[str, Any]]:
    """These replays with where they stand and what was done to them."""
    counts = _counts(replays)
    actions: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for action in ReplayAction.objects.filter(replay__in=replays).order_by("id"):
        actions[action.replay_id].append({"action": action.action, "actor": action.actor, "at": action.at})
    return [_as_dict(replay, counts[replay.pk], actions[replay.pk]) for replay in replays]


def _counts(replays: Sequence[Replay]) -> dict[int, Counts]:
    """By replay id: as kept when it ended, or from its lanes and rows."""
    found = {replay.pk: _kept(replay.counts or {}) for replay in replays}
    with connection.cursor() as cursor:
        cursor.execute(_LANES, [[replay.pk for replay in replays if replay.counts is None]])
        for pk, delivered, aborted, skipped, filtered, held in cursor.fetchall():
            reasons = sum(map(Counter, json.loads(filtered or "[]")), Counter[str]())
            numbers = {"delivered": int(delivered), "aborted": int(aborted), "skipped": int(skipped)}
            found[pk] = _kept(numbers | json.loads(held or "{}") | {"filtered": reasons})
    return found


def _kept(numbers: Mapping[str, Any]) -> Counts:
    counts = Counts(**numbers)
    counts.filtered = Counter(counts.filtered)
    counts.unselected = counts.filtered.pop(UNSELECTED, 0)
    return counts


def _as_dict(replay: Replay, counts: Counts, actions: list[dict[str, Any]]) -> dict[str, Any]:
    left = max(0, replay.total - counts.looked_at(replay.picked is not None))
    return {
        "id": replay.pk,
        "destination": replay.destination.name,
        "source": replay.source.name if replay.source else None,
        "state": replay.state,
        "origin": replay.origin,
        "since": replay.since,
        "until": replay.until,
        "event": replay.event,
        "user_key": replay.user_key,
        "reason": replay.reason,
        "picked": replay.picked,
        "rate": replay.rate,
        "created_at": replay.created_at,
        "created_by": actions[0]["actor"] if actions else "",
        "ended_at": replay.ended_at,
        "total": replay.total,
        "total_is_exact": replay.total_is_exact,
        "delivered": counts.delivered,
        "failed": counts.failed,
        "waiting": counts.waiting,
        "aborted": counts.aborted,
        "filtered": counts.filtered.total(),
        "skipped": counts.skipped,
        "unselected": counts.unselected,
        "pending": 0 if replay.state == Replay.State.FINISHED else left,
        "actions": actions,
    }
