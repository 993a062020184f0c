"""Records of what was done to events and is not part of forwarding them; append-only."""

from django.db import models


class RetentionSkip(models.Model):
    """How many events of a day a connection never got, because the day was dropped by policy."""

    connection = models.ForeignKey("destinations.Connection", on_delete=models.CASCADE)
    day = models.DateField()
    events = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="retention_skip_once", fields=["connection", "day"])]

    def __str__(self) -> str:
        return f"{self.connection} {self.day}: {self.events}"


class Forgetting(models.Model):
    """That a person was forgotten: who did it, when, and how much was erased. Never who the person was."""

    person = models.CharField(max_length=64)  # a pseudonym: forget.person.pseudonym
    actor = models.CharField(max_length=150)
    source = models.CharField(max_length=100, blank=True)  # empty: every source
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # null: under way, or ended in the middle
    counts = models.JSONField(default=dict)  # {what: how many}

    def __str__(self) -> str:
        return f"{self.person} by {self.actor}"
