"""What the records of lives and crashes do to the database (alerts.recovery.models has the tables), in plain SQL.

Each record is applied in one transaction, and changes nothing the second time: a lost answer is no second crash. Times
are the database's, less what has passed since on a clock that does not jump. Must never be given a payload.
"""

import json
import os
from typing import Any

from psycopg2.errors import QueryCanceled
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj.guard import clock
from rudderproj.guard.life import CRASHED, Life, came_back
from rudderproj.guard.spool import Record

SUSPECTED_SECONDS = 60  # so long events in flight are looked into before the crash counts as unexplained
SAME_START_SECONDS = 0.5
IN_FLIGHT_MOST = 2000  # of one crash: what is more tells nothing, and may take the database too long
_AT = "now() - make_interval(secs => %(age)s)"

_FORMER = f"""
SELECT run, boot, pid, "end", extract(epoch FROM started_at)::float8,
    abs(extract(epoch FROM started_at - ({_AT})))::float8
FROM alerts_life WHERE role = %(role)s AND node = %(node)s FOR UPDATE
"""
_START = f"""
INSERT INTO alerts_life (role, node, run, boot, pid, started_at)
VALUES (%(role)s, %(node)s, %(run)s, %(boot)s, %(pid)s, {_AT})
ON CONFLICT (role, node) DO UPDATE SET run = excluded.run, boot = excluded.boot, pid = excluded.pid,
    started_at = excluded.started_at, "end" = '', ended_at = NULL
"""
# Of a life that another has replaced nothing is to be told any more.
_END = f"""
UPDATE alerts_life SET "end" = %(end)s, ended_at = {_AT}
WHERE role = %(role)s AND node = %(node)s AND run = %(run)s AND boot = %(boot)s AND pid = %(pid)s
"""
_RESTART = f"UPDATE alerts_crash SET restarted_at = {_AT} WHERE id = %(id)s AND restarted_at IS NULL"
_RESTART_LAST = f"""
UPDATE alerts_crash SET restarted_at = {_AT} WHERE id = (
    SELECT id FROM alerts_crash WHERE role = %(role)s AND node = %(node)s AND kind = 'process'
    ORDER BY at DESC LIMIT 1) AND restarted_at IS NULL
"""
_CRASH = f"""
INSERT INTO alerts_crash (id, at, role, node, kind, pid, restarted_at, exit_status, signal, is_oom, uptime_seconds,
    summary, traceback, log, in_flight, environment, mode, suspected_until)
SELECT %(id)s, {_AT}, %(role)s, %(node)s, %(kind)s, %(pid)s, CASE WHEN %(is_back)s THEN {_AT} END, %(exit_status)s,
    %(signal)s, %(is_oom)s, %(uptime_seconds)s, %(summary)s, %(traceback)s, %(log)s, %(in_flight)s::jsonb,
    %(environment)s::jsonb, coalesce(nullif(%(forced)s, ''), (SELECT mode FROM alerts_mode), ''),
    CASE WHEN %(in_flight)s::jsonb <> '[]' THEN now() + make_interval(secs => {SUSPECTED_SECONDS}) END
ON CONFLICT (id) DO UPDATE SET restarted_at = excluded.restarted_at
WHERE alerts_crash.restarted_at IS NULL AND excluded.restarted_at IS NOT NULL
"""
NO_DETAILS: Record = {
    "pid": 0,
    "is_back": False,
    "exit_status": None,
    "signal": "",
    "is_oom": False,
    "uptime_seconds": None,
    "summary": "",
    "traceback": "",
    "log": "",
    "in_flight": [],
    "environment": {},
}


def apply(raw: Connection, record: Record) -> bool:
    """Write one record; whether a restart after a crash was noted. Raises psycopg2.Error, and then nothing was.

    One that takes the database too long goes without what was in flight: it must not keep others waiting for ever.
    """
    try:
        return _apply(raw, record)
    except QueryCanceled:
        if not record.get("in_flight"):
            raise
    return _apply(raw, record | {"in_flight": []})


def _apply(raw: Connection, record: Record) -> bool:
    values = record | {"age": clock.age(record["moment"])}
    with raw, raw.cursor() as cursor:
        return _DO[record["do"]](cursor, values)


def crash(cursor: Any, values: Record) -> bool:
    """A process ended uncleanly; `is_back`: and is there again."""
    values = NO_DETAILS | values
    in_flight, environment = values["in_flight"][:IN_FLIGHT_MOST], values["environment"]
    texts = {"in_flight": json.dumps(in_flight), "environment": json.dumps(environment)}
    cursor.execute(_CRASH, values | texts | {"forced": os.environ.get("RSERVER_MODE", "")})
    return bool(cursor.rowcount) and bool(values.get("is_back"))


def restart(cursor: Any, values: Record) -> bool:
    """The process of an earlier crash is there again."""
    cursor.execute(_RESTART, values)
    return bool(cursor.rowcount)


def start(cursor: Any, values: Record) -> bool:
    """A life begins; `ask`: nobody but the database knows how the former one ended."""
    counted = values["ask"] and _judge(cursor, values)
    cursor.execute(_START, values)
    return bool(counted)


def end(cursor: Any, values: Record) -> bool:
    """A life has ended, or was asked to."""
    cursor.execute(_END, values)
    return False


_DO = {"crash": crash, "restart": restart, "start": start, "end": end}


def _judge(cursor: Any, values: Record) -> bool:
    """Note the restart if the life in the database ended in a crash."""
    cursor.execute(_FORMER, values)
    row = cursor.fetchone()
    if row is None:
        return False
    run, boot, pid, ended, started, apart = row
    former = Life(values["role"], values["node"], run, boot, pid, started, ended)
    now = Life(values["role"], values["node"], values["run"], values["boot"], values["pid"], started)
    is_itself = pid == values["pid"] and apart < SAME_START_SECONDS  # written before, and nobody heard
    if is_itself or not came_back(former, now):
        return False
    if ended == CRASHED:
        cursor.execute(_RESTART_LAST, values)
        return bool(cursor.rowcount)
    summary = f"{former.role} {former.node} ended, and nobody saw how"
    return crash(cursor, values | {"id": former.crash_id, "kind": "process", "is_back": True, "summary": summary})
