"""The service mode and its history, and which processes live. Other parts of the app keep models of their own."""

from django.db import models

from alerts.channels.models import Channel as Channel
from alerts.incidents.models import Incident as Incident
from alerts.incidents.models import Notification as Notification
from alerts.recovery.models import Crash as Crash
from alerts.recovery.models import Life as Life


class Mode(models.Model):
    """One row: what the service does now, who said so, why and since when. Changed only by alerts.modes."""

    class Value(models.TextChoices):
        NORMAL = "normal"  # events are accepted and forwarded
        DEGRADED = "degraded"  # events are accepted and stored, nothing is forwarded

    mode = models.CharField(max_length=10, choices=Value.choices, default=Value.NORMAL)
    since = models.DateTimeField()
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)
    probation_until = models.DateTimeField(null=True)  # normal again by itself: one more crash goes straight back

    class Meta:
        constraints = [
            models.CheckConstraint(name="mode_single_row", condition=models.Q(pk=1)),
            models.CheckConstraint(name="mode_known", condition=models.Q(mode__in=["normal", "degraded"])),
        ]

    def __str__(self) -> str:
        return self.mode


class ModeChange(models.Model):
    """One change of mode; append-only."""

    at = models.DateTimeField()
    from_mode = models.CharField(max_length=10)
    to_mode = models.CharField(max_length=10)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)
    crashes = models.JSONField(default=list, db_default=[])  # ids of those that caused it

    def __str__(self) -> str:
        return f"{self.from_mode} -> {self.to_mode}"


class Process(models.Model):
    """A long-running process that says every few seconds that it lives; see alerts.processes."""

    class Role(models.TextChoices):
        WEB = "web"
        FORWARD = "forward"
        ALERTS = "alerts"
        BEAT = "beat"
        FLOWER = "flower"

    role = models.CharField(max_length=10, choices=Role.choices)
    node = models.CharField(max_length=200)  # who it is, across its restarts
    pid = models.IntegerField()  # on its machine; of a worker its main process
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "processes"
        constraints = [models.UniqueConstraint(name="process_once", fields=["role", "node"])]

    def __str__(self) -> str:
        return f"{self.role} {self.node}"
