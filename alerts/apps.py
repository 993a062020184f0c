"""Alerts: running modes, and what a person must be told."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "alerts"
    verbose_name = "operation"

    def ready(self) -> None:
        """Have every long-running process report that it lives, /health tell the mode, upkeep do our chores, and alerts
        workers watch.
        """
        from alerts import chores, metrics, modes, processes
        from alerts.incidents import looks
        from alerts.recovery import children, switch
        from alerts.watch import begin
        from rudderproj import health, web_hooks

        health.register("mode", modes.for_health)
        processes.connect_to_celery()
        chores.register()
        metrics.register()
        looks.register_all()
        begin.connect_to_celery()
        switch.connect()
        children.connect()
        web_hooks.at_start(processes.start_web)
