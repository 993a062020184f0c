"""The demo as a Django app of its own: nothing else depends on it."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "destinations.demo"
    label = "demo"
