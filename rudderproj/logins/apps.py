"""Logins: the throttle, told by Django's own signals what came of a try."""

from django.apps import AppConfig


class LoginsConfig(AppConfig):
    name = "rudderproj.logins"

    def ready(self) -> None:
        """Have successes noted and old tries forgotten."""
        from django.contrib.auth.signals import user_logged_in

        from rudderproj.logins import chores, throttle

        user_logged_in.connect(throttle.on_logged_in, dispatch_uid="logins.throttle")
        chores.register()
