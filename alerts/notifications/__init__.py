"""Notifications: what is owed to channels, sent until it is accepted."""
