"""Destinations: what events are forwarded to, and the forwarding itself."""

from django.apps import AppConfig


class DestinationsConfig(AppConfig):
    name = "destinations"
    verbose_name = "forwarding"

    def ready(self) -> None:
        """Ring the doorbell for whatever ingest stores, and have upkeep do our chores and metrics tell our figures."""
        from destinations import chores, doorbell, metrics
        from ingest.signals import events_stored

        chores.register()
        metrics.register()
        events_stored.connect(doorbell.on_events_stored, dispatch_uid="destinations.doorbell")
