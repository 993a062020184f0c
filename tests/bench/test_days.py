"""A log that is filled before anything is measured."""

from collections import Counter
from uuid import UUID

from psycopg2.extensions import connection as Connection  # noqa: N812

from bench import days
from ingest import partitions
from ingest.models import Event, Source
from tests.forwarding.conftest import sink, world
from tests.forwarding.world import World

__all__ = ["sink", "world"]


def test_each_day_gets_its_events_and_nobody_who_is_owed_them(raw: Connection, world: World) -> None:
    free = [Source.objects.create(name=name, write_key=name).pk for name in ("free", "free too")]

    days.fill(raw, (0, 3), events=10)

    today = partitions.today(raw)
    found = Counter((source, (today - day).days) for source, day in Event.objects.values_list("source_id", "day"))
    assert found == {(source, ago): 5 for source in free for ago in (0, 3)}
    assert len({UUID(one) for one in Event.objects.values_list("message_id", flat=True)}) == 20
    assert world.balance()["accepted"] == 0
