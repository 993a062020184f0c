"""Incidents, and the notifications that are owed to channels about them.

Opened, updated and resolved only by alerts.incidents.
"""

from django.db import models

from alerts.channels.models import Channel


class Incident(models.Model):
    """Something a person must be told of, from when it opened until it was over."""

    class Severity(models.TextChoices):
        CRITICAL = "critical"
        ERROR = "error"
        WARNING = "warning"
        INFO = "info"

    key = models.TextField()  # what makes two reports the same incident
    kind = models.CharField(max_length=40)  # degraded_mode
    severity = models.CharField(max_length=10, choices=Severity.choices)
    summary = models.TextField()  # one line
    details = models.JSONField(default=dict)  # what the person woken needs: texts and numbers by name
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="incident_open_once", fields=["key"], condition=models.Q(resolved_at__isnull=True)
            ),
            models.CheckConstraint(
                name="incident_severity_known",
                condition=models.Q(severity__in=["critical", "error", "warning", "info"]),
            ),
        ]
        indexes = [
            models.Index(name="incident_age", fields=["resolved_at"], condition=models.Q(resolved_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.summary


class Notification(models.Model):
    """Something to be said to one channel: written before it is sent, tried until it is accepted."""

    class Action(models.TextChoices):
        TRIGGER = "trigger"
        RESOLVE = "resolve"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE)
    action = models.CharField(max_length=10, choices=Action.choices)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)  # null: nothing is left to do
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="notification_once", fields=["incident", "channel", "action"]),
            models.CheckConstraint(
                name="notification_action_known", condition=models.Q(action__in=["trigger", "resolve"])
            ),
        ]
        indexes = [
            models.Index(
                name="notification_due",
                fields=["next_attempt_at"],
                condition=models.Q(next_attempt_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} to {self.channel}"
