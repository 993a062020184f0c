"""Crashes as a worker's main process would store them, and what became of their suspects."""

from typing import Any

from alerts.models import Crash
from destinations.models import Suspect
from ingest.models import Event
from tests.forwarding.world import World

Entry = dict[str, Any]


def entry(world: World, message_id: str, replay: int = 0) -> Entry:
    """An event of this world's connection, as it stands in Crash.in_flight."""
    row = Event.objects.get(source_id=world.source.pk, message_id=message_id)
    return {
        "destination": world.destination.pk,
        "connection": world.connection.pk,
        "lane": row.lane,
        "replay": replay,
        "xid": row.xid,
        "position": row.position,
    }


def crash(*in_flight: Entry) -> Crash:
    """A pool's child died with this in its hands."""
    return Crash.objects.create(role="forward", node="pool", kind="child", in_flight=list(in_flight))


def states() -> dict[str, str]:
    """The state of each suspect, by its message id or its destination's name."""
    rows = Suspect.objects.select_related("destination")
    return {row.message_id or row.destination.name: row.state for row in rows}


def deaths_alone() -> dict[str, int]:
    """At how many deaths each open suspect was alone."""
    rows = Suspect.objects.filter(state="open").select_related("destination")
    return {row.message_id or row.destination.name: row.deaths_alone for row in rows}
