"""Pausing, resuming and cancelling replays, and closing those that have ended. Who did it and when is kept.

A change is a guarded UPDATE; links notice it within a second. Must never touch a lane that is claimed.
"""

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import doorbell
from destinations.models import Replay, ReplayAction
from rudderproj.prepared import Prepared

State, Action = Replay.State, ReplayAction.Action


def pause(pk: int, actor: str) -> bool:
    """Stop sending for now; False if it was not running. Raises Replay.DoesNotExist."""
    return _change(pk, actor, Action.PAUSE, [State.RUNNING], State.PAUSED)


def resume(pk: int, actor: str) -> bool:
    """Go on where it stood; False if it was not paused. Raises Replay.DoesNotExist."""
    return _change(pk, actor, Action.RESUME, [State.PAUSED], State.RUNNING)


def cancel(pk: int, actor: str) -> bool:
    """Stop for good: what is left is not sent; False if it had ended. Raises Replay.DoesNotExist."""
    return _change(pk, actor, Action.CANCEL, [State.RUNNING, State.PAUSED], State.CANCELLED)


def _change(pk: int, actor: str, action: str, from_states: Sequence[str], to: str) -> bool:
    with transaction.atomic():
        replay = Replay.objects.select_for_update().get(pk=pk)
        if replay.state not in from_states:
            return False
        replay.state = to
        replay.ended_at = timezone.now() if to == State.CANCELLED else None
        replay.save(update_fields=["state", "ended_at"])
        ReplayAction.objects.create(replay=replay, action=action, actor=actor)
        transaction.on_commit(lambda: doorbell.ring_quietly([replay.destination_id]))
    return True


# Nothing of it is claimed, and it was cancelled or has neither an event nor a row left.
_OVER = """
SELECT r.id FROM destinations_replay r
WHERE r.counts IS NULL AND r.state IN ('running', 'cancelled')
  AND NOT EXISTS (
    SELECT FROM destinations_lane l WHERE l.replay = r.id AND l.replay > 0 AND (
        l.claim_id IS NOT NULL
        OR r.state = 'running' AND (
            (l.xid, l.position) < (l.end_xid, l.end_position)
            OR EXISTS (SELECT FROM destinations_delivery d
                       WHERE d.connection_id = l.connection_id AND d.replay = r.id AND d.lane = l.number
                         AND d.state IN ('failed', 'waiting')))))
"""
_ALL_OVER = Prepared(_OVER)

# What is left of a cancelled one is passed over.
_SKIP = """
UPDATE destinations_delivery d
SET state = 'skipped', reason = 'replay cancelled', next_attempt_at = NULL, updated_at = now()
FROM destinations_lane l
WHERE l.replay = %(replay)s AND l.replay > 0 AND d.connection_id = l.connection_id AND d.replay = l.replay
  AND d.lane = l.number AND d.state IN ('failed', 'waiting')
"""

_CLOSE = """
WITH ended AS (
    UPDATE destinations_replay r SET ended_at = coalesce(ended_at, now()),
        state = CASE WHEN state = 'running' THEN 'finished' ELSE state END,
        counts = (
            SELECT jsonb_build_object('delivered', coalesce(sum(l.delivered), 0),
                'aborted', coalesce(sum(l.aborted), 0), 'skipped', coalesce(sum(l.skipped), 0) + %(skipped)s,
                'filtered', coalesce((
                    SELECT jsonb_object_agg(key, events) FROM (
                        SELECT f.key, sum(f.value::bigint) AS events
                        FROM destinations_lane o CROSS JOIN jsonb_each_text(o.filtered) f
                        WHERE o.replay = %(replay)s AND o.replay > 0 GROUP BY f.key) reasons), '{}'))
            FROM destinations_lane l WHERE l.replay = %(replay)s AND l.replay > 0)
    WHERE r.id = %(replay)s RETURNING r.id, r.state
), told AS (
    INSERT INTO destinations_replayaction (replay_id, action, actor, at)
    SELECT id, 'finish', '', now() FROM ended WHERE state = 'finished'
)
DELETE FROM destinations_lane l USING ended WHERE l.replay = ended.id AND l.replay > 0
"""


def close_ended(raw: Connection) -> int:
    """Keep the counts of replays that have ended, and drop their lanes; how many. Called by the sweep."""
    with raw.cursor() as cursor:
        _ALL_OVER.execute(cursor)
        over = [row[0] for row in cursor.fetchall()]
    return sum(_close(raw, pk) for pk in over)


def _close(raw: Connection, pk: int) -> bool:
    """Close one, if it is over still once its lanes are locked: nobody claims them meanwhile."""
    raw.autocommit = False
    try:
        with raw, raw.cursor() as cursor:
            cursor.execute("SELECT FROM destinations_replay WHERE id = %s FOR UPDATE", [pk])
            cursor.execute("SELECT FROM destinations_lane WHERE replay = %s AND replay > 0 FOR UPDATE", [pk])
            cursor.execute(f"{_OVER} AND r.id = %s", [pk])
            if cursor.fetchone() is None:
                return False
            cursor.execute(_SKIP, {"replay": pk})
            cursor.execute(_CLOSE, {"replay": pk, "skipped": cursor.rowcount})
            return True
    finally:
        if not raw.closed:
            raw.autocommit = True


def note_rests(raw: Connection, rests: Mapping[int, float]) -> None:
    """Keep for the next link how many seconds each of these replays must rest, by its rate."""
    with raw.cursor() as cursor:
        for pk, seconds in rests.items():
            cursor.execute(
                "UPDATE destinations_replay SET next_at = clock_timestamp() + %s * interval '1 second' WHERE id = %s",
                [seconds, pk],
            )
