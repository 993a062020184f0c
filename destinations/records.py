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
