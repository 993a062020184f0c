"""Alerts: running modes, and what a person must be told."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "alerts"

    def ready(self) -> None:
        """Have every long-running process report that it lives."""
        from alerts import processes
        from rudderproj import web_hooks

        processes.connect_to_celery()
        web_hooks.at_start(processes.start_web)
