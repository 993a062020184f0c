"""Checks of single destinations: failing, held, behind, giving up.

Must never open two incidents for one trouble: in degraded mode every destination falls behind, and one that is held or
whose breaker is open does too; nor one for a backlog of such a time that is being worked off.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from alerts import links, modes
from alerts.models import Incident
from destinations import history
from destinations.figures import age
from destinations.history import Snapshot
from destinations.incidents.common import Found, Words, about, as_they_are, fresh_sample, since
from destinations.incidents.of_forwarding import stalled
from destinations.models import Delivery, Destination, Health
from destinations.suspects.models import Suspect

FAILING, BEHIND, HELD, LETTERS = "destination_failing", "destination_behind", "destination_held", "dead_letters"
POISON = "poison_event"
CATCHING_UP_SECONDS = 60  # whose oldest event is younger than it was then is working its backlog off


def failing() -> Found:
    """Destinations whose breaker has not been closed for too long."""
    before = timezone.now() - timedelta(seconds=settings.ENV["ALERT_BREAKER_SECONDS"])
    rows = (
        _enabled()
        .exclude(health__breaker=Health.Breaker.CLOSED)
        .filter(health__opened_at__lt=before, health__state=Health.State.OK)
    )
    return about(FAILING, rows, lambda row: ("error", "does not answer", since(row.health.opened_at)))


def held() -> Found:
    """Destinations that were stopped until an operator acts."""
    rows = _enabled().filter(health__state=Health.State.HELD)
    poisonous = _told_as_poison()
    found: Found = {f"{HELD}:{pk}": None for pk in poisonous}
    rows = rows.exclude(pk__in=poisonous)
    return found | about(HELD, rows, lambda row: ("error", "is held", since(row.health.last_error_at)))


def behind() -> Found:
    """Destinations whose oldest event has waited for too long, unless that is explained or becoming better."""
    sample, most = fresh_sample(), settings.ENV["ALERT_BEHIND_SECONDS"]
    if sample is None:
        return as_they_are(BEHIND)
    ages = _ages(sample)
    rows = list(_enabled().filter(pk__in=[pk for pk, seconds in ages.items() if seconds > most]))
    if not rows:
        return {}
    earlier = history.first_since(timezone.now() - timedelta(seconds=CATCHING_UP_SECONDS)) or sample
    before = _ages(earlier)
    is_explained = not modes.current().forwards or bool(stalled())

    def is_news(row: Destination) -> bool:
        is_well = row.health.state == Health.State.OK and row.health.breaker == Health.Breaker.CLOSED
        is_catching_up = ages[row.pk] < before.get(row.pk, 0.0)
        return is_well and not is_explained and not is_catching_up

    found: Found = {f"{BEHIND}:{row.pk}": None for row in rows}
    news = [row for row in rows if is_news(row)]
    return found | about(BEHIND, news, lambda row: ("warning", f"is {age(ages[row.pk])} behind", {}))


def dead_letters() -> Found:
    """Destinations that gave up many events lately."""
    most, seconds = settings.ENV["ALERT_DEAD_LETTERS"], settings.ENV["ALERT_DEAD_LETTERS_SECONDS"]
    now, then = fresh_sample(), history.first_since(timezone.now() - timedelta(seconds=seconds))
    if now is None or then is None:
        return as_they_are(LETTERS)
    before = {pk: figures.aborted for pk, figures in then.by_destination().items()}
    grown = {pk: figures.aborted - before.get(pk, 0) for pk, figures in now.by_destination().items()}
    rows = Destination.objects.select_related("health").filter(pk__in=[pk for pk, by in grown.items() if by > most])

    def words(row: Destination) -> Words:
        link = links.admin(f"destinations/deadletter/?destination={row.pk}")
        return "error", f"gave up {grown[row.pk]:,} events in {age(seconds)}", {"link": link}

    return about(LETTERS, rows, words, Delivery.State.ABORTED)


def _ages(sample: Snapshot) -> dict[int, float]:
    """Of the oldest event that each destination is owed and that does not wait for a connection's return."""
    return {pk: figures.oldest_age_seconds for pk, figures in sample.switched_on().by_destination().items()}


def _told_as_poison() -> list[int]:
    """Destinations that are held because they kill the worker: destinations.suspects has told it."""
    keys = Incident.objects.filter(kind=POISON, resolved_at=None).values_list("key", flat=True)
    suspects = [int(key.rpartition(":")[2]) for key in keys]
    return list(Suspect.objects.filter(pk__in=suspects, state="open").values_list("destination_id", flat=True))


def _enabled() -> QuerySet[Destination]:
    return Destination.objects.select_related("health").filter(enabled=True)
