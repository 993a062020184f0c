"""Tries to log in. Written and counted by rudderproj.logins.throttle alone."""

from django.db import models
from django.db.models import Q


class Login(models.Model):
    """One try. `account` is a keyed hash: people type passwords into the wrong field."""

    account = models.CharField(max_length=64)
    address = models.TextField()  # of the client; an IPv6 client is its /64
    at = models.DateTimeField()
    succeeded = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(name="login_age", fields=["at"]),  # upkeep
            # throttle: failures of late, by either
            models.Index(name="login_failed_account", fields=["account", "at"], condition=Q(succeeded=False)),
            models.Index(name="login_failed_address", fields=["address", "at"], condition=Q(succeeded=False)),
            # throttle: has this account logged in from there before
            models.Index(name="login_known", fields=["account", "address", "at"], condition=Q(succeeded=True)),
        ]
