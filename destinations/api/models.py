"""Tokens of the API. What is stored of a token's secret is a hash that it cannot be made from."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class ApiToken(models.Model):
    """Who may call the API, and for what. Its secret was shown once, when destinations.api.tokens made it."""

    class Scope(models.TextChoices):
        """What a token may do; none includes another."""

        READ = "read"  # status, mode, configuration (masked), replays
        EVENTS_READ = "events:read"  # events, deliveries, dead letters, rejected events: personal data
        SOURCES_WRITE = "sources:write"  # also shows write keys, when it makes them
        DESTINATIONS_WRITE = "destinations:write"  # destinations and connections; pause and resume
        REPLAYS_WRITE = "replays:write"  # replays, and sending dead letters again
        MODE_WRITE = "mode:write"

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, editable=False)  # the secret's beginning, to know it by
    digest = models.CharField(max_length=64, unique=True, editable=False)  # SHA-256 of the secret, hexadecimal
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices))
    created_by = models.CharField(max_length=150, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)  # to the minute
    expires_at = models.DateTimeField(null=True, blank=True, help_text="empty: never")
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(name="api_token_name_not_empty", condition=~models.Q(name="")),
            models.CheckConstraint(name="api_token_has_a_scope", condition=models.Q(scopes__len__gt=0)),
            # of those in force: a revoked token's name may be used again
            models.UniqueConstraint(name="api_token_name_once", fields=["name"], condition=models.Q(revoked_at=None)),
        ]

    def __str__(self) -> str:
        return self.name
