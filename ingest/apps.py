"""Ingest: sources and the event log."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "ingest"
