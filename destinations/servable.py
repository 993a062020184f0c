"""What a link can do something about, as pieces of SQL shared by claiming lanes, looking for work and the sweep.

A connection that is switched off owes what was accepted before: it waits for the return, and is no work until then,
or links would spin on it. What was accepted since is work: it is filtered. Must never count more than that as work.
"""

# As a subquery, so that it is asked once a statement, and not once for each lane in each partition.
HORIZON = "(SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)"

# The snapshot of the last resume that passed over what the destination of connection `c` was owed; NULL: there is none.
SKIPPED = """(
    SELECT a.snapshot FROM destinations_destinationaction a
    WHERE a.destination_id = c.destination_id AND a.snapshot IS NOT NULL ORDER BY a.id DESC LIMIT 1
)::pg_snapshot"""

# A destination's connections; off_from is the start of the gap that is open while one is switched off.
CONNECTED = f"""
connected AS MATERIALIZED (
    SELECT c.id, c.source_id, g.from_xid AS off_from, {SKIPPED} AS skipped
    FROM destinations_connection c LEFT JOIN destinations_gap g ON g.connection_id = c.id AND g.to_xid IS NULL
    WHERE c.destination_id = %(destination)s::bigint
)
"""

# Of lane `l`: one of connected's. As an array, so that the planner never walks the lanes of every destination instead.
OF_CONNECTED = "l.connection_id = ANY (ARRAY(SELECT id FROM connected))"


def live_row(head: str) -> str:
    """Whether the user of this event or row of a replay is held live by a row up to there: it must not overtake."""
    return (
        "EXISTS (SELECT FROM destinations_delivery live"
        f" WHERE live.connection_id = {head}.connection_id AND live.replay = 0 AND live.lane = {head}.lane"
        f" AND live.user_key = {head}.user_key AND live.state IN ('failed', 'waiting')"
        f" AND (live.xid, live.position) <= ({head}.xid, {head}.position))"
    )


# Lanes of `connected` with a held user whose head is due, or is to be skipped whenever its retry would be. A replay's
# head waits besides for what is owed live to its user up to there.
DUE = f"""
due AS (
    SELECT DISTINCT connection_id, replay, lane FROM (
        SELECT DISTINCT ON (d.connection_id, d.replay, d.lane, d.user_key)
            d.connection_id, d.replay, d.lane, d.user_key, d.next_attempt_at, d.xid, d.position, c.skipped
        FROM connected c JOIN destinations_delivery d ON d.connection_id = c.id
        WHERE c.off_from IS NULL AND d.state IN ('failed', 'waiting')
        ORDER BY d.connection_id, d.replay, d.lane, d.user_key, d.xid, d.position
    ) heads
    WHERE (next_attempt_at IS NULL OR next_attempt_at <= now()
           OR replay = 0 AND pg_visible_in_snapshot(xid::text::xid8, skipped))
      AND (replay = 0 OR replay IN (SELECT id FROM destinations_replay WHERE state = 'running')
           AND NOT {live_row("heads")})
)
"""


def next_xid(order: str = "ORDER BY e.xid, e.position", settled: str = "true") -> str:
    """A scalar subquery: the xid of the event after the cursor of lane `l` of connection `c`, or NULL."""
    return (
        "(SELECT e.xid FROM ingest_event e"
        " WHERE e.source_id = c.source_id AND e.lane = l.number AND (e.xid, e.position) > (l.xid, l.position)"
        f" AND {settled} AND e.day >= l.day - 1 {order} LIMIT 1)"
    )


def has_next(settled: str = f"e.xid < {HORIZON}") -> str:
    """Whether lane `l` of `connected c` has an event after its cursor to send or to filter."""
    # Any event will do where every one is work: the first in order costs a look into every partition.
    return (
        f"CASE WHEN c.off_from IS NULL THEN {next_xid('', settled)} IS NOT NULL"
        f" ELSE coalesce({next_xid(settled=settled)} >= c.off_from, false) END"
    )


def has_next_settled_unless(flag: str) -> str:
    """has_next, with events above the horizon too where the parameter `flag` is true."""
    return has_next(f"(%({flag})s::bool OR e.xid < {HORIZON})")


# Whether lane `l` of a replay has something left between its cursor and its end, or a due head.
REPLAY_HAS_NEXT = """(
    l.replay IN (SELECT id FROM destinations_replay WHERE state = 'running') AND c.off_from IS NULL
    AND ((l.xid, l.position) < (l.end_xid, l.end_position)
         OR (l.connection_id, l.replay, l.number) IN (SELECT connection_id, replay, lane FROM due))
)"""
