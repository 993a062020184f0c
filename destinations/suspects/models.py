"""Events, and links that had just begun, that were in flight when a worker process died.

Made by a trigger with the crash's row, in the same transaction: no moment is between a death that is known and its
suspects. Settled only by destinations.suspects.verdict.
"""

from django.db import models


class Suspect(models.Model):
    """An event at a connection, or the start of a destination's link: then connection and what follows are empty.

    While it is open, nobody but an examination touches its lane, or its destination if it has no place.
    """

    class State(models.TextChoices):
        OPEN = "open"
        CLEARED = "cleared"  # tried alone, and the process lived
        GUILTY = "guilty"  # alone in flight at two deaths: a dead letter

    destination = models.ForeignKey("destinations.Destination", on_delete=models.CASCADE)
    connection = models.ForeignKey("destinations.Connection", on_delete=models.CASCADE, null=True)
    lane = models.SmallIntegerField(null=True)
    replay = models.BigIntegerField(default=0, db_default=0)  # 0: live
    xid = models.BigIntegerField(null=True)
    position = models.IntegerField(null=True)
    day = models.DateField(null=True)
    message_id = models.TextField(blank=True)
    user_key = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    deaths_alone = models.PositiveIntegerField(default=0)  # at which nothing else was in flight
    crashes = models.JSONField(default=list)  # ids of alerts.Crash, as text
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True)
    delivered_before = models.BigIntegerField(null=True)  # what its destination had ever taken when it was settled

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="suspect_event_open_once",
                fields=["connection", "xid", "position", "replay"],
                condition=models.Q(state="open", connection__isnull=False),
            ),
            models.UniqueConstraint(
                name="suspect_link_open_once",
                fields=["destination"],
                condition=models.Q(state="open", connection__isnull=True),
            ),
            models.CheckConstraint(
                name="suspect_state_known", condition=models.Q(state__in=["open", "cleared", "guilty"])
            ),
            models.CheckConstraint(
                name="suspect_place_whole",
                condition=models.Q(connection=None, lane=None, xid=None, position=None, day=None)
                | models.Q(
                    connection__isnull=False,
                    lane__isnull=False,
                    xid__isnull=False,
                    position__isnull=False,
                    day__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="suspect_settled_when_not_open",
                condition=models.Q(state="open", settled_at=None)
                | (~models.Q(state="open") & models.Q(settled_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(name="suspect_settled", fields=["settled_at"], condition=~models.Q(state="open")),
        ]

    def __str__(self) -> str:
        return self.message_id or f"a link of {self.destination}"
