"""Ingest: sources and the event log."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "ingest"
    verbose_name = "ingest"

    def ready(self) -> None:
        """Tell the web process, which knows no app, how to refuse requests of ours and what to read first and
        flush at its end, /ready when nothing may be stored, and upkeep our chores.
        """
        from ingest import answers, chores, config, home, log, routes
        from rudderproj import health, metrics, web_hooks

        chores.register()
        health.doubt(home.doubt)
        web_hooks.refuse_with(answers.early)
        web_hooks.at_start(config.sources.read_ahead)
        web_hooks.at_stop(log.stop)
        metrics.name_routes(routes.KINDS)
