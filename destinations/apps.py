"""Destinations: what events are forwarded to, and the forwarding itself."""

from django.apps import AppConfig


class DestinationsConfig(AppConfig):
    name = "destinations"
    verbose_name = "forwarding"

    def ready(self) -> None:
        """Ring the doorbell for whatever ingest stores; have upkeep do our chores, metrics tell our figures, and alerts
        make our checks.
        """
        from destinations import chores, doorbell, incidents, metrics
        from ingest.signals import events_stored

        chores.register()
        metrics.register()
        incidents.register()
        events_stored.connect(doorbell.on_events_stored, dispatch_uid="destinations.doorbell")
