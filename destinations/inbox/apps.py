"""The inbox as a Django app of its own: nothing else depends on it."""

from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "destinations.inbox"
    label = "inbox"
