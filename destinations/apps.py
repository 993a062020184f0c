"""Destinations: what events are forwarded to, and the forwarding itself."""

from django.apps import AppConfig


class DestinationsConfig(AppConfig):
    name = "destinations"
    verbose_name = "forwarding"

    def ready(self) -> None:
        """Ring the doorbell for whatever ingest stores; have upkeep do our chores, metrics tell our figures, alerts
        make our checks, and crash reports name what was in flight.
        """
        from alerts.recovery import report
        from destinations import chores, doorbell, incidents, metrics, suspects
        from ingest.signals import events_stored

        chores.register()
        metrics.register()
        incidents.register()
        report.describe_with(suspects.describe)
        events_stored.connect(doorbell.on_events_stored, dispatch_uid="destinations.doorbell")
