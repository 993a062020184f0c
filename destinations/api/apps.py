"""The API as a Django app of its own: nothing else depends on it."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "destinations.api"
    label = "api"
    verbose_name = "API"

    def ready(self) -> None:
        from destinations.api import openapi  # noqa: F401 - drf-spectacular finds the authentication by it
