"""The deployment of this machine's settings, through its database.

Owns the rows that a run makes, and the removal of them with the events they hold. Must never touch another's rows.
"""

import ipaddress
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, InterfaceError, connection, transaction

from alerts import modes
from destinations import tallies
from destinations.bootstrap import local_url
from destinations.models import Connection, Destination, Health
from destinations.verify import marks
from destinations.verify.site import IN_FORCE_SECONDS, Away, Terms, Unusable
from ingest.models import LANES, Source
from rudderproj import db
from rudderproj.egress import permitted

_DELETE_SECONDS = 60.0  # of one lane's events
_TERMS = ("accepted", "delivered", "pending", "failed", "waiting", "aborted", "filtered", "skipped", "difference")


class Local:
    """A site for one run. `urls`: where to send instead of what the settings say.

    `name`: of a run that was set up before.
    """

    def __init__(self, urls: Sequence[str] = (), name: str = "") -> None:
        self.urls = [url.rstrip("/") for url in urls or [local_url()]]
        self._name = name

    def set_up(self, name: str, sink_url: str) -> str:
        _check_reachable(sink_url)
        self._name = name
        with _asked(), transaction.atomic():
            source = Source.objects.create(name=name, write_key=marks.write_key(name))
            config = marks.config(name, sink_url)
            destination = Destination.objects.create(name=name, type="webhook", config=config)
            Connection.objects.create(source=source, destination=destination)
        return source.write_key

    def terms(self) -> Terms:
        with _asked():
            tallies.roll_up("verify")
            with tallies.one_snapshot():
                counts = tallies.count()[Connection.objects.get(source__name=self._name).pk]
        return {term: getattr(counts, term) for term in _TERMS}

    def trouble(self) -> list[str]:
        with _asked():
            mode = modes.current()
            found = Destination.objects.select_related("health").get(name=self._name)
        lines = [f"the mode is {mode.mode}: nothing is forwarded"] if mode.mode != modes.NORMAL else []
        if found.health.state != Health.State.OK:
            lines.append(f"the destination is {found.health.state}")
        if found.health.last_error:
            lines.append(f"the last failed delivery: {found.health.last_error}")
        return lines

    def clean_up(self) -> None:
        with _asked():
            sources = [source for source in _sources() if source.name == self._name]
            Connection.objects.filter(source__in=sources).delete()
            for destination in _destinations():
                if destination.name == self._name:
                    destination.delete()
            for source in sources:
                _delete_events(source.pk)
                source.delete()


def clean_leftovers() -> list[str]:
    """Remove what runs that were killed have left, and any that is under way; their names. Raises Away.

    First nothing more is accepted for them: an event that came after its source had gone would stay.
    """
    with _asked():
        sources = _sources()
        names = sorted({row.name for row in sources} | {row.name for row in _destinations()})
        stopped = Source.objects.filter(pk__in=[row.pk for row in sources], enabled=True).update(enabled=False)
    time.sleep(IN_FORCE_SECONDS if stopped else 0)
    for name in names:
        Local(name=name).clean_up()
    return names


def _sources() -> list[Source]:
    """Those of runs, this one's or another's."""
    rows = Source.objects.filter(name__startswith="verify-")
    return [row for row in rows if marks.is_runs_source(row.name, row.write_key)]


def _destinations() -> list[Destination]:
    rows = Destination.objects.filter(name__startswith="verify-")
    return [row for row in rows if marks.is_runs_destination(row.name, row.config)]


def _delete_events(source_id: int) -> None:
    """Lane by lane, a statement each: one for all would hold the horizon for long."""
    with closing(db.connect("verify", _DELETE_SECONDS)) as raw, raw.cursor() as cursor:
        for lane in range(LANES):
            cursor.execute("DELETE FROM ingest_event WHERE source_id = %s AND lane = %s", [source_id, lane])


@contextmanager
def _asked() -> Iterator[None]:
    """A database that does not answer, or is just changing what we look at, is Away."""
    try:
        yield
    except ObjectDoesNotExist:
        raise Away("what the run made is gone") from None
    except (DatabaseError, InterfaceError, psycopg2.Error) as error:
        connection.close()
        raise Away(f"the database does not answer: {str(error).strip().splitlines()[0]}") from None


def _check_reachable(sink_url: str) -> None:
    """Raises Unusable where the workers would refuse to connect, which nobody would see but in the admin."""
    parts = urlsplit(sink_url)
    try:
        found: list[Any] = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unusable(f"{parts.hostname} does not resolve: {error}") from None
    networks = [ipaddress.ip_network(network) for network in settings.ENV["EGRESS_ALLOW"]]
    addresses = {str(entry[4][0]).partition("%")[0] for entry in found}
    if not any(permitted(ipaddress.ip_address(address), networks) for address in addresses):
        raise Unusable(
            f"destinations may not be at {', '.join(sorted(addresses))}, where the sink is: add it to EGRESS_ALLOW of "
            "the deployment, or listen where it may connect to (--listen and --sink-url)"
        )
