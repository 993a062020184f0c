"""What an operator may do to a destination: pause and resume, from admin, API and command alike, with who and why kept.

Resuming delivers what is owed, or passes it over: then links settle it as skipped wherever they meet it, in the log or
as a row. Must never touch lanes or rows itself: they are their claims' holders' to change.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from destinations import doorbell, health
from destinations.models import Delivery, DestinationAction, Health, Lane, Suspect
from destinations.skip import Skip

Action = DestinationAction.Action

# One statement: the snapshot, and where the lanes stood in it, tell what was skipped and what had been settled before.
_RECORD = """
INSERT INTO destinations_destinationaction (destination_id, action, from_state, actor, reason, at, snapshot, lanes)
SELECT h.destination_id, %(action)s, h.state, %(actor)s, %(reason)s, now(),
    CASE WHEN %(skip)s THEN pg_current_snapshot()::text END,
    CASE WHEN %(skip)s THEN (
        SELECT coalesce(jsonb_object_agg(l.lane_id, jsonb_build_array(l.xid, l.position, l.beyond)), '{}')
        FROM destinations_effective_lane l JOIN destinations_connection c ON c.id = l.connection_id
        WHERE c.destination_id = h.destination_id) END
FROM destinations_health h WHERE h.destination_id = ANY(%(changed)s)
"""


def pause(ids: Iterable[int], actor: str, reason: str = "") -> int:
    """Stop sending to these destinations; their events stay pending. Returns how many were not paused already."""
    with transaction.atomic():
        return len(_change(ids, Health.State.PAUSED, Action.PAUSE, actor, reason))


def resume(ids: Iterable[int], actor: str, *, skip: bool = False, reason: str = "") -> int:
    """Let paused and held destinations send again; returns how many were either.

    `skip`: what was accepted before this moment and is still owed is passed over. What is accepted later never is.
    """
    with transaction.atomic():
        changed = _change(ids, Health.State.OK, Action.SKIP if skip else Action.RESUME, actor, reason)
        Suspect.objects.filter(destination__in=changed, state=Suspect.State.OPEN).update(deaths_alone=0)  # once more
        for pk in changed if skip else ():  # or only probes would pass over a backlog, a few events at a time
            health.close_breaker(connection.connection, pk)
        transaction.on_commit(lambda: doorbell.ring_quietly(changed))
        return len(changed)


def skipped_by(lane: Lane, xid: int, position: int) -> DestinationAction | None:
    """The action that passed this event over: it was owed then. None: none did, or it had been settled before."""
    row = Delivery.objects.filter(replay=0, connection=lane.connection_id, xid=xid, position=position).first()
    if row and row.state != Delivery.State.SKIPPED:
        return None
    actions = DestinationAction.objects.filter(destination=lane.connection.destination_id, snapshot__isnull=False)
    for action in actions.order_by("id"):
        seen = Skip.stored(action.snapshot, action.actor)
        if seen and seen.covers(xid):
            at_xid, at_position, beyond = (action.lanes or {}).get(str(lane.pk), (0, 0, []))
            was_settled = (xid, position) <= (at_xid, at_position) or [xid, position] in beyond
            return None if was_settled and not row else action
    return None


def _change(ids: Iterable[int], state: Health.State, action: str, actor: str, reason: str) -> list[int]:
    """Set the state, and keep who did it; the destinations that were in another one, locked until the commit."""
    rows = Health.objects.select_for_update().filter(destination_id__in=list(ids)).exclude(state=state)
    changed = list(rows.order_by("destination_id").values_list("destination_id", flat=True))
    told: dict[str, Any] = {"action": str(action), "actor": actor, "reason": reason, "skip": action == Action.SKIP}
    with connection.cursor() as cursor:  # after the lock: of two skips the later one sees what the earlier one saw
        cursor.execute(_RECORD, told | {"changed": changed})
    Health.objects.filter(destination_id__in=changed).update(state=state, streak={})
    return changed
