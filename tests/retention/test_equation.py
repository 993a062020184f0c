"""The equation holds before and after days are dropped, by either policy."""

import random
from datetime import timedelta

import pytest
from django.conf import settings
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.models import Connection as Link
from destinations.models import Destination, Lane, RetentionSkip
from ingest import partitions, retention, tally
from ingest.hashing import lane_of
from ingest.models import Event, Source
from tests.retention.conftest import KEPT_DAYS, WriteAgo
from tests.retention.log import counts, days, hold


@pytest.mark.parametrize("policy", ["keep", "drop"])
@pytest.mark.parametrize("seed", range(2))
def test_the_equation_holds_whatever_is_dropped(
    raw: Connection,
    source: Source,
    write_ago: WriteAgo,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    policy: str,
) -> None:
    """Days go by; connections come, forward some of what they are owed, and keep some as rows; old days go."""
    monkeypatch.setattr(tally, "STEP_EVENTS", 4)
    monkeypatch.setattr(tally, "MILESTONE_EVENTS", 8)
    monkeypatch.setitem(settings.ENV, "RETENTION_POLICY", policy)
    chance, users = random.Random(f"{seed} {policy}"), ["a", "b", "mate63", "c"]
    links: list[Link] = []
    now = partitions.today(raw)
    for age in range(14, -1, -1):
        today = now - timedelta(days=age)
        monkeypatch.setattr(partitions, "today", lambda _, today=today: today)
        for number in range(chance.randint(1, 4)):
            late = number == 1 and chance.random() < 0.3  # its statement began before midnight
            write_ago(source, age + late, *chance.choices(users, k=chance.randint(1, 6)))
            if chance.random() < 0.4:
                tally.roll_up_all(raw)
        if chance.random() < 0.3 or age == 13:
            hook = Destination.objects.create(name=f"hook{age}", type="webhook")
            links.append(Link.objects.create(source=source, destination=hook))
        for link in links:
            _forward_some(link, chance)
        if chance.random() < 0.5:
            _drop_and_compare(raw, links)
    tally.roll_up_all(raw)
    _drop_and_compare(raw, links)
    if policy == "drop":
        assert max(days(raw)) <= KEPT_DAYS


def _forward_some(link: Link, chance: random.Random) -> None:
    link.refresh_from_db()
    for lane in Lane.objects.filter(connection=link, number__in=[lane_of(user) for user in ("a", "b", "c")]):
        events = Event.objects.filter(source_id=link.source_id, lane=lane.number).order_by("xid", "position")
        ahead = [e for e in events if (e.xid, e.position) > (lane.xid, lane.position)]
        open_ = [e for e in ahead if [e.xid, e.position] not in lane.beyond]
        if not open_ or chance.random() < 0.5:
            continue
        upto = chance.choice(ahead)
        passed = [e for e in open_ if (e.xid, e.position) <= (upto.xid, upto.position)]
        kept = [e for e in passed if chance.random() < 0.2]
        for event in kept:
            hold(link, event)
        rest = [[e.xid, e.position] for e in ahead if (e.xid, e.position) > (upto.xid, upto.position)]
        beyond = [place for place in rest if place in lane.beyond or chance.random() < 0.2]
        newly_beyond = len([place for place in beyond if place not in lane.beyond])
        Lane.objects.filter(pk=lane.pk).update(
            xid=upto.xid,
            position=upto.position,
            day=upto.day,
            beyond=beyond,
            delivered=lane.delivered + len(passed) - len(kept) + newly_beyond,
        )


def _drop_and_compare(raw: Connection, links: list[Link]) -> None:
    owed = ("pending", "failed", "waiting", "skipped", "filtered")
    before = [counts(link) for link in links]
    retention.drop_old(raw)
    for link, old in zip(links, before, strict=True):
        new = counts(link)
        assert "difference" not in old, old
        assert "difference" not in new, (old, new)
        assert {k: v for k, v in new.items() if k not in owed} == {k: v for k, v in old.items() if k not in owed}
        assert sum(new.get(name, 0) for name in owed) == sum(old.get(name, 0) for name in owed)
        if settings.ENV["RETENTION_POLICY"] == "keep":
            assert new == old
        else:
            skips = RetentionSkip.objects.filter(connection=link).values_list("events", flat=True)
            assert new.get("skipped", 0) == sum(skips)
