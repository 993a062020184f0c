"""Admin of what forwards. Importing this registers its pages."""

from destinations.admin import action, connection, delivery, destination, event, replay, suspect

__all__ = ["action", "connection", "delivery", "destination", "event", "replay", "suspect"]
