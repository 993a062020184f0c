"""A person's traces besides events and their rows: refused events, the inbox, what destinations last said, and who
was asked for or suspected: replays and suspects.
"""

from collections.abc import Iterator

from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.forget.person import Person, parsed, pseudonym
from ingest.tombstone import TYPE, tombstone

IDS = 5000  # rows looked at in one statement

# A refused event stands as it came, so an id may be a number there.
_REJECTED = f"""
SELECT id, payload FROM ingest_rejectedevent
WHERE id > %(after)s AND id <= %(after)s + {IDS} AND (%(source)s IS NULL OR source_id = %(source)s)
  AND EXISTS (SELECT FROM unnest(%(keys)s) key WHERE strpos(payload, key) > 0)
"""
_ERRORS = """
UPDATE destinations_health SET last_error = CASE WHEN strpos(last_error, %(id)s) > 0 THEN '' ELSE last_error END,
    streak = CASE WHEN {named} THEN '{{}}' ELSE streak END
"""
_HIDE = "UPDATE destinations_suspect s SET user_key = %(pseudonym)s "
_SUSPECTS = """
WHERE s.user_key = %(key)s AND (%(source)s IS NULL OR s.connection_id IN (
    SELECT id FROM destinations_connection WHERE source_id = %(source)s))
"""
_NAMED = "streak->'users' ?| %(keys)s OR streak->'refused' ?| %(keys)s"


def rejected(raw: Connection, person: Person, source_id: int | None) -> Iterator[tuple[int, bool]]:
    """The ids of their refused events, and whether each carries their id (no JSON object: mentions it)."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM ingest_rejectedevent")
        (last,) = cursor.fetchone() or (0,)
        texts = [key.strip('"') for key in map(_in_json, person.keys)]
        for after in range(0, last, IDS):
            cursor.execute(_REJECTED, {"after": after, "source": source_id, "keys": texts})
            for pk, payload in cursor.fetchall():
                event = parsed(payload)
                if event is None and _in_json(person.id) in payload:
                    yield pk, True
                elif event is not None and person.owns(event):
                    yield pk, person.is_named_in(event)


def devices_in_rejected(raw: Connection, person: Person, source_id: int | None) -> Person:
    """What refused events tell of their devices."""
    ids = [pk for pk, named in rejected(raw, person, source_id) if named]
    with raw.cursor() as cursor:
        cursor.execute("SELECT payload FROM ingest_rejectedevent WHERE id = ANY(%s)", [ids])
        for (payload,) in cursor.fetchall():
            person = person.with_devices_of(parsed(payload) or {})
    return person


def erase_rejected(raw: Connection, ids: list[int]) -> int:
    """Leave of refused events that there were some."""
    with raw.cursor() as cursor:
        cursor.execute(
            "UPDATE ingest_rejectedevent SET payload = %s, reason = %s WHERE id = ANY(%s)",
            [tombstone("", ""), TYPE, ids],
        )
        return int(cursor.rowcount)


def inbox(raw: Connection, person: Person) -> list[int]:
    """Their deliveries in the inbox: a few hundred are kept in all."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT id, body FROM inbox_inboxdelivery")
        return [
            pk
            for pk, body in cursor.fetchall()
            if person.owns(parsed(body) or {}) or (parsed(body) is None and person.needle in body)
        ]


def erase_inbox(raw: Connection, ids: list[int]) -> int:
    """Delete deliveries of the inbox."""
    with raw.cursor() as cursor:
        cursor.execute("DELETE FROM inbox_inboxdelivery WHERE id = ANY(%s)", [ids])
        return int(cursor.rowcount)


def errors(raw: Connection, person: Person, *, erase: bool) -> int:
    """Destinations whose last error mentions them, or that remember them among those who failed lately."""
    where = f" WHERE strpos(last_error, %(id)s) > 0 OR {_NAMED}"
    statement = _ERRORS.format(named=_NAMED) + where if erase else f"SELECT FROM destinations_health{where}"
    with raw.cursor() as cursor:
        cursor.execute(statement, {"id": person.id, "keys": person.keys})
        return int(cursor.rowcount)


def replays(raw: Connection, person: Person, *, erase: bool) -> int:
    """Replays that were asked for their events."""
    found = 0
    with raw.cursor() as cursor:
        for key in person.keys:
            if erase:
                cursor.execute(
                    "UPDATE destinations_replay SET user_key = %s WHERE user_key = %s", [pseudonym(key), key]
                )
            else:
                cursor.execute("SELECT FROM destinations_replay WHERE user_key = %s", [key])
            found += cursor.rowcount
    return found


def suspects(raw: Connection, person: Person, source_id: int | None, *, erase: bool) -> int:
    """Their events that were in flight at a crash: under the key that the tombstone has, to be found with it."""
    found = 0
    with raw.cursor() as cursor:
        for key in person.keys:
            values = {"key": key, "pseudonym": pseudonym(key), "source": source_id}
            cursor.execute((_HIDE if erase else "SELECT FROM destinations_suspect s ") + _SUSPECTS, values)
            found += cursor.rowcount
    return found


def _in_json(text: str) -> str:
    return Person(text).needle
