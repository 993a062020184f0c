"""Destinations: what events are forwarded to, and the forwarding itself."""

from django.apps import AppConfig


class DestinationsConfig(AppConfig):
    name = "destinations"

    def ready(self) -> None:
        """Ring the doorbell for whatever ingest stores; ingest itself knows nothing of destinations."""
        from destinations import doorbell
        from ingest.signals import events_stored

        events_stored.connect(doorbell.on_events_stored, dispatch_uid="destinations.doorbell")
