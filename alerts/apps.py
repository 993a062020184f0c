"""Alerts: running modes, and what a person must be told."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "alerts"
    verbose_name = "operation"

    def ready(self) -> None:
        """Have every long-running process report that it lives, /health tell the mode, and upkeep do our chores."""
        from alerts import chores, modes, processes
        from alerts.recovery import children, switch
        from rudderproj import health, web_hooks

        health.register("mode", modes.for_health)
        processes.connect_to_celery()
        chores.register()
        switch.connect()
        children.connect()
        web_hooks.at_start(processes.start_web)
