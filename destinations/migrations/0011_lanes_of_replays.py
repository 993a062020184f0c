"""How far each lane has really come, a replay's too; destinations_effective_lane stays the live ones."""

from django.db import migrations

# The checkpoints of the few claims are unfolded once and joined, instead of being looked up lane by lane.
EVERY_LANE = """
CREATE VIEW destinations_effective_any_lane AS
WITH held AS MATERIALIZED (
    SELECT claim.id AS claim_id, lane.key::bigint AS lane_id, lane.value AS progress
    FROM destinations_claim claim
    CROSS JOIN LATERAL (
        SELECT lanes FROM destinations_checkpoint WHERE claim_id = claim.id ORDER BY seq DESC LIMIT 1
    ) last
    CROSS JOIN LATERAL jsonb_each(last.lanes) lane
)
SELECT l.id AS lane_id, l.connection_id, l.number,
    coalesce((progress->'c'->>0)::bigint, l.xid) AS xid,
    coalesce((progress->'c'->>1)::integer, l.position) AS position,
    coalesce((progress->'c'->>2)::date, l.day) AS day,
    coalesce(progress->'b', l.beyond) AS beyond,
    coalesce((progress->>'d')::bigint, l.delivered) AS delivered,
    coalesce((progress->>'a')::bigint, l.aborted) AS aborted,
    coalesce((progress->>'s')::bigint, l.skipped) AS skipped,
    coalesce(progress->'f', l.filtered) AS filtered,
    l.replay, l.end_xid, l.end_position
FROM destinations_lane l LEFT JOIN held ON held.claim_id = l.claim_id AND held.lane_id = l.id
"""

LIVE = """
CREATE OR REPLACE VIEW destinations_effective_lane AS
SELECT lane_id, connection_id, number, xid, position, day, beyond, delivered, aborted, skipped, filtered
FROM destinations_effective_any_lane WHERE replay = 0
"""


class Migration(migrations.Migration):
    dependencies = [("destinations", "0010_replay")]
    operations = [migrations.RunSQL(EVERY_LANE), migrations.RunSQL(LIVE)]
