"""Alerts: running modes, and what a person must be told."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "alerts"
