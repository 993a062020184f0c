"""Sources, the event log and what was refused.

The log (`Event`) is append-only and partitioned by day; it is written by ingest.log and read by destinations.reader,
in SQL. Must never gain an UPDATE of an event: order and cursors rely on rows that do not change. The one exception is
destinations.forget, which leaves everything that they rely on.
"""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models

LANES = 64  # hash values of user keys; a lane is one of them, per connection


class Source(models.Model):
    """A sending application; events carry its write key."""

    class UserKey(models.TextChoices):
        """Which id comes first as the user key, what order is kept for."""

        ANONYMOUS_ID = "anonymous_id"  # an identify keeps its place behind its device's anonymous events
        USER_ID = "user_id"

    name = models.CharField(max_length=100, unique=True)
    write_key = models.CharField(max_length=200, unique=True)
    # Still accepted until then, while clients change over. No key twice, whichever column: see WriteKey.
    previous_write_key = models.CharField(max_length=200, null=True, editable=False)
    previous_key_valid_until = models.DateTimeField(null=True, editable=False)
    enabled = models.BooleanField(default=True)
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="requests a second; empty: no limit"
    )
    user_key = models.CharField(max_length=20, choices=UserKey.choices, default=UserKey.ANONYMOUS_ID)
    # Its apps are told to stop for good; see ingest.retiring. Wins over `enabled`.
    retired_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="source_name_not_empty", condition=~models.Q(name="")),
            models.CheckConstraint(name="source_write_key_not_empty", condition=~models.Q(write_key="")),
            models.CheckConstraint(
                name="source_previous_key_has_an_end",
                condition=models.Q(previous_write_key=None, previous_key_valid_until=None)
                | models.Q(previous_write_key__isnull=False, previous_key_valid_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """enabled, disabled or retired."""
        return "retired" if self.retired_at else "enabled" if self.enabled else "disabled"


class WriteKey(models.Model):
    """Every key of every source, the previous ones too, so that none names two. Kept by a trigger."""

    key = models.TextField(primary_key=True)
    source = models.ForeignKey(Source, on_delete=models.CASCADE)

    class Meta:
        db_table = "ingest_write_key"


class Event(models.Model):
    """One accepted call, as accepted. The order of the log is (xid, position)."""

    pk = models.CompositePrimaryKey("day", "source_id", "message_id")
    day = models.DateField()  # partition; from the database's clock
    source_id = models.IntegerField()
    message_id = models.TextField()
    lane = models.SmallIntegerField()
    user_key = models.TextField()
    xid = models.BigIntegerField()  # the writing transaction
    position = models.IntegerField()  # place in its statement
    received_at = models.DateTimeField()
    payload = models.TextField()  # JSON text, forwarded as it stands

    class Meta:
        db_table = "ingest_event"
        indexes = [
            # destinations.reader: the next events of a lane after its cursor
            models.Index(name="event_order", fields=["source_id", "lane", "xid", "position"]),
        ]


class LoggedEvent(models.Model):
    """The event log's place in the admin, which takes no composite keys. Has no rows: see ingest.lookup."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "event"


class MidnightKey(models.Model):
    """Message ids accepted within a minute of midnight, where two days' partitions cannot see each other's inserts."""

    pk = models.CompositePrimaryKey("source_id", "message_id")
    source_id = models.IntegerField()
    message_id = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ingest_midnight_key"
        indexes = [models.Index(name="midnight_key_age", fields=["created_at"])]  # ingest.chores: the oldest first


class Tally(models.Model):
    """How many events of a source the log holds below an xid, so that nobody has to count them all again."""

    source = models.OneToOneField(Source, on_delete=models.CASCADE, primary_key=True)
    through_xid = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    by_lane = ArrayField(models.BigIntegerField(), size=LANES)  # the same, lane by lane: the sum is `accepted`
    day = models.DateField()  # when it was last rolled up: later events are not in older partitions


class Milestone(models.Model):
    """A tally as it once stood, one every so many events: what lies behind an old cursor is added up from these."""

    pk = models.CompositePrimaryKey("source_id", "xid")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, db_index=False)
    xid = models.BigIntegerField()
    accepted = models.BigIntegerField()  # events of the source below xid
    by_lane = ArrayField(models.BigIntegerField(), size=LANES)
    day = models.DateField()  # when it was made: no event below xid is of a later day


class RejectedEvent(models.Model):
    """A bad event of an answered request: not accepted, not forwarded, kept with the reason."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE)
    received_at = models.DateTimeField(db_index=True)
    message_id = models.TextField(blank=True)
    reason = models.TextField()
    payload = models.TextField()

    class Meta:
        indexes = [
            # destinations.trace: what became of a message id
            models.Index(name="rejected_of_message", fields=["message_id"], condition=~models.Q(message_id="")),
        ]

    def __str__(self) -> str:
        return f"{self.message_id or 'no messageId'}: {self.reason}"


class ConfigVersion(models.Model):
    """One row, raised by triggers when sources, destinations or connections change; caches compare it."""

    version = models.BigIntegerField(default=1)

    class Meta:
        constraints = [models.CheckConstraint(name="config_version_single_row", condition=models.Q(pk=1))]
