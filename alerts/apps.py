"""Alerts: running modes, and what a person must be told."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "alerts"

    def ready(self) -> None:
        """Have the workers and beat report that they live."""
        from alerts import processes

        processes.connect_to_celery()
