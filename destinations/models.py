"""Destinations, connections, lanes with their cursors, and the rows of events not simply behind or ahead of one.

Lanes, claims and checkpoints are changed only by destinations.lanes and destinations.checkpoint, in SQL.
"""

from django.core.validators import MinValueValidator
from django.db import models

from destinations.records import Forgetting as Forgetting
from destinations.records import RetentionSkip as RetentionSkip
from destinations.replay.models import Recovery as Recovery
from destinations.replay.models import Replay as Replay
from destinations.replay.models import ReplayAction as ReplayAction
from destinations.suspects.models import Suspect as Suspect
from ingest.models import LANES, Source
from rudderproj.secrets_field import EncryptedJSONField, reason_unreadable


class Destination(models.Model):
    """A configured instance of a destination type."""

    name = models.CharField(max_length=100, unique=True)
    type = models.CharField(max_length=50)
    config = EncryptedJSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="events a second; empty: no limit"
    )
    max_concurrency = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="requests in flight; empty: the default"
    )
    retry = models.JSONField(default=dict, blank=True, help_text="window_seconds, attempts, base_seconds, max_seconds")
    event_filter = models.JSONField(default=dict, blank=True, help_text='{"allow": [names]} or {"deny": [names]}')
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(name="destination_name_not_empty", condition=~models.Q(name=""))]

    def __str__(self) -> str:
        return self.name

    @property
    def config_problem(self) -> str:
        """Why the configuration cannot be read; empty when it can. Such a destination is held, and its config empty."""
        return reason_unreadable(self.config)


class Health(models.Model):
    """How a destination is doing, as its links last saw it. A row exists for each destination (trigger)."""

    class State(models.TextChoices):
        OK = "ok"
        HELD = "held"  # refused several users, or killed workers: events stay pending until an operator acts
        PAUSED = "paused"  # stopped by an operator: events stay pending

    class Breaker(models.TextChoices):
        CLOSED = "closed"
        OPEN = "open"  # cursors stand still until probe_at
        HALF_OPEN = "half_open"  # a link is probing

    destination = models.OneToOneField(Destination, on_delete=models.CASCADE, primary_key=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OK)
    breaker = models.CharField(max_length=10, choices=Breaker.choices, default=Breaker.CLOSED)
    opened_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)
    probes_failed = models.PositiveIntegerField(default=0)
    streak = models.JSONField(default=dict)  # breaker.Streak: failures since the last success
    learned = models.JSONField(null=True)  # allowance.Learned: how much it takes at once, as the last link found out
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="health_state_known", condition=models.Q(state__in=["ok", "held", "paused"])),
            models.CheckConstraint(
                name="health_breaker_open_has_probe",
                condition=models.Q(breaker="closed", probe_at=None)
                | models.Q(breaker__in=["open", "half_open"], probe_at__isnull=False),
            ),
        ]


class DestinationAction(models.Model):
    """What an operator did to a destination; append-only, written by destinations.actions alone."""

    class Action(models.TextChoices):
        PAUSE = "pause"
        RESUME = "resume"  # and deliver what was owed
        SKIP = "skip"  # resume, passing over what was owed

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE)
    action = models.CharField(max_length=10, choices=Action.choices)
    from_state = models.CharField(max_length=10, choices=Health.State.choices)
    actor = models.TextField()
    reason = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)
    snapshot = models.TextField(null=True)  # skip: pg_snapshot; what it sees and was still owed is skipped
    lanes = models.JSONField(null=True)  # skip: {lane id: [xid, position, beyond]}, where each lane stood then

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="destination_action_skip_has_snapshot",
                condition=models.Q(action="skip", snapshot__isnull=False, lanes__isnull=False)
                | models.Q(action__in=["pause", "resume"], snapshot__isnull=True, lanes__isnull=True),
            ),
        ]
        indexes = [
            # destinations.servable, destinations.control: the last skip of a destination
            models.Index(
                name="destination_skipped",
                fields=["destination", "id"],
                condition=models.Q(snapshot__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class Connection(models.Model):
    """source -> destination. Its lanes are made by a trigger, at the horizon of the statement that inserts it."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE)
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE)
    enabled = models.BooleanField(default=True)
    start_xid = models.BigIntegerField(editable=False, default=0)  # set by the trigger
    accepted_before = models.BigIntegerField(editable=False, default=0)  # the source's events below start_xid
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="connection_once", fields=["source", "destination"])]

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination}"


class Gap(models.Model):
    """A range of xids, [from_xid, to_xid), for which a connection was switched off or not there. Kept by triggers.

    Beyond its end it covers what its snapshot sees: that was accepted before the end, too.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE)
    from_xid = models.BigIntegerField()
    to_xid = models.BigIntegerField(null=True)  # still open
    snapshot = models.TextField(null=True)  # of the end

    class Meta:
        constraints = [
            models.UniqueConstraint(name="gap_one_open", fields=["connection"], condition=models.Q(to_xid=None)),
        ]


class Claim(models.Model):
    """A lease over some lanes of a destination. Its id is the fencing token: ids only rise."""

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE)
    slot = models.SmallIntegerField()  # bounds how many links work on a destination at once
    owner = models.TextField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="claim_slot_once", fields=["destination", "slot"])]


class Checkpoint(models.Model):
    """How far a claim has come: the last one counts until the claim ends, which ends it too (a trigger sees to it)."""

    pk = models.CompositePrimaryKey("claim_id", "seq")
    claim_id = models.BigIntegerField()
    seq = models.IntegerField()
    lanes = models.JSONField()  # {lane id: lanes.Progress as JSON}


class Lane(models.Model):
    """(connection, hash of the user key): what is claimed, with its cursor and counters as of the last release.

    A replay has lanes of its own beside the live ones, from where it starts to where it ends.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE)
    number = models.SmallIntegerField()
    replay = models.BigIntegerField(default=0, db_default=0)  # 0: live. No foreign key: one index serves both
    claim_id = models.BigIntegerField(null=True)  # no foreign key and no index: a claim must stay a HOT update
    xid = models.BigIntegerField()
    position = models.IntegerField(default=-1)
    day = models.DateField()
    beyond = models.JSONField(default=list)  # [[xid, position], …] settled beyond the cursor
    delivered = models.BigIntegerField(default=0)
    aborted = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    filtered = models.JSONField(default=dict)  # {reason: events}
    end_xid = models.BigIntegerField(null=True)  # a replay's: its events are before this place
    end_position = models.IntegerField(null=True)
    picks = models.JSONField(null=True)  # a replay's, if events were chosen one by one: [[xid, position], …]

    class Meta:
        constraints = [
            models.UniqueConstraint(name="lane_once", fields=["connection", "number", "replay"]),
            models.CheckConstraint(
                name="lane_of_replay_ends",
                condition=models.Q(replay=0, end_xid=None, end_position=None, picks__isnull=True)
                | models.Q(replay__gt=0, end_xid__isnull=False, end_position__isnull=False),
            ),
            models.CheckConstraint(name="lane_number_in_range", condition=models.Q(number__gte=0, number__lt=LANES)),
        ]
        indexes = [
            # destinations.replay: the lanes of one
            models.Index(name="lane_of_replay", fields=["replay"], condition=models.Q(replay__gt=0)),
        ]


class Delivery(models.Model):
    """An event owed to a connection that is not simply behind or ahead of the cursor."""

    class State(models.TextChoices):
        FAILED = "failed"  # the last try failed, a retry is due at next_attempt_at
        WAITING = "waiting"  # behind a failed one of the same user
        ABORTED = "aborted"  # final: a dead letter
        DELIVERED = "delivered"  # final
        SKIPPED = "skipped"  # final: passed over by an operator

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE)
    replay = models.BigIntegerField(default=0, db_default=0)  # 0: live. No foreign key: one index serves both
    lane = models.SmallIntegerField()
    user_key = models.TextField()
    xid = models.BigIntegerField()
    position = models.IntegerField()
    day = models.DateField()
    message_id = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices)
    reason = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    first_failed_at = models.DateTimeField(null=True)  # of the user's head: followers inherit it
    next_attempt_at = models.DateTimeField(null=True)
    payload = models.TextField(null=True)  # dead letters keep a copy: the log is dropped by age
    request = models.JSONField(null=True)  # dead letters: the last request, secrets masked
    response = models.JSONField(null=True)  # dead letters: the last answer, capped
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(name="delivery_once", fields=["connection", "xid", "position", "replay"]),
            models.CheckConstraint(
                name="delivery_failed_has_next_attempt",
                condition=models.Q(state="failed", next_attempt_at__isnull=False)
                | (~models.Q(state="failed") & models.Q(next_attempt_at=None)),
            ),
            models.CheckConstraint(
                name="delivery_state_known",
                condition=models.Q(state__in=["failed", "waiting", "aborted", "delivered", "skipped"]),
            ),
        ]
        indexes = [
            # destinations.reader: is this user held, and which is its head
            models.Index(
                name="delivery_held",
                fields=["connection", "replay", "lane", "user_key", "xid", "position"],
                include=["next_attempt_at"],
                condition=models.Q(state__in=["failed", "waiting"]),
            ),
            # destinations.sweep: retries that are due
            models.Index(name="delivery_due", fields=["next_attempt_at"], condition=models.Q(state="failed")),
            # destinations.replay: the dead letters of a lane in the order of the log
            models.Index(
                name="delivery_dead_in_order",
                fields=["connection", "lane", "xid", "position"],
                condition=models.Q(state="aborted", replay=0),
            ),
            # destinations.chores: the oldest finished rows, and the oldest dead letters
            models.Index(
                name="delivery_finished",
                fields=["updated_at"],
                condition=models.Q(state__in=["delivered", "skipped"]),
            ),
            models.Index(name="delivery_dead_letter", fields=["updated_at"], condition=models.Q(state="aborted")),
            # destinations.trace: dead letters outlive the log, whose key finds an event otherwise
            models.Index(name="delivery_of_message", fields=["message_id"]),
            # destinations.letters: a connection's rows in a state, newest first
            models.Index(name="delivery_listed", fields=["connection", "state", "id"]),
            # destinations.needed: whether rows still need a day of the log
            models.Index(name="delivery_owed_day", fields=["day"], condition=models.Q(state__in=["failed", "waiting"])),
        ]

    def __str__(self) -> str:
        return self.message_id


class DeadLetter(Delivery):
    """Events that were given up, as a list of their own in the admin."""

    class Meta:
        proxy = True
        default_permissions = ("view", "change")
        verbose_name = "dead letter"


class Attempt(models.Model):
    """One try that failed, or that followed a failed one; append-only. A first try that succeeds costs no row."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE)
    replay = models.BigIntegerField(default=0, db_default=0)  # 0: live
    xid = models.BigIntegerField()
    position = models.IntegerField()
    message_id = models.TextField()
    at = models.DateTimeField()
    status = models.IntegerField(null=True)
    outcome = models.CharField(max_length=10)
    error = models.TextField(blank=True)
    response = models.TextField(blank=True)  # capped, secrets masked
    duration_ms = models.IntegerField()

    class Meta:
        indexes = [
            models.Index(name="attempt_of_event", fields=["connection", "xid", "position"]),
            models.Index(name="attempt_age", fields=["at"]),  # destinations.chores: the oldest first
        ]


class Trial(models.Model):
    """A test event that an operator had sent to a destination, and what came of it. Nothing else counts it."""

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)  # by the worker that sends it: only once
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, blank=True)  # of outcome.Outcome; "unsent" when nothing could be sent
    reason = models.TextField(blank=True)
    request = models.JSONField(null=True)  # secrets masked
    response = models.JSONField(null=True)  # capped, secrets masked
    duration_ms = models.IntegerField(null=True)

    def __str__(self) -> str:
        return f"test event for {self.destination}"


class Sweep(models.Model):
    """One row: when the last sweep began, so that many askers make one sweep a second."""

    ran_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="sweep_single_row", condition=models.Q(pk=1))]


class Sample(models.Model):
    """Where every event was at one moment; one row each interval. See destinations.history."""

    slot = models.BigIntegerField(primary_key=True)  # the interval, counted since 1970: one sample in each
    taken_at = models.DateTimeField()
    took_seconds = models.FloatField(null=True)  # empty: being counted, or whoever counted has died
    counts = models.JSONField(null=True)  # history.Snapshot as JSON
