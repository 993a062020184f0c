"""The last deliveries that the inbox received.

They stand in PostgreSQL, so that what was answered 200 is still there after a kill of anything.
"""

from django.db import models
from django.db.models.functions import Now


class InboxDelivery(models.Model):
    """One request; pruned to the newest few hundred."""

    received_at = models.DateTimeField(db_default=Now())
    destination = models.CharField(max_length=200)
    headers = models.JSONField()  # secrets masked
    body = models.TextField()  # JSON text

    class Meta:
        verbose_name_plural = "inbox deliveries"

    def __str__(self) -> str:
        return f"{self.destination} {self.received_at}"
