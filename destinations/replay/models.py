"""Replays, who did what to them, and what they recovered. States change only in replay.steer."""

from django.db import models


class Replay(models.Model):
    """Events of the log, or dead letters, to be sent again. Once it has ended its lanes are gone, its counts kept."""

    class State(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        FINISHED = "finished"  # final: everything chosen has its fate
        CANCELLED = "cancelled"  # final: the rest is not sent

    class Origin(models.TextChoices):
        LOG = "log"
        DEAD_LETTERS = "dead_letters"

    destination = models.ForeignKey("destinations.Destination", on_delete=models.CASCADE)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    origin = models.CharField(max_length=20, choices=Origin.choices)
    source = models.ForeignKey("ingest.Source", null=True, on_delete=models.CASCADE)  # empty: every source connected
    since = models.DateTimeField(null=True)  # accepted since; of dead letters: aborted since
    until = models.DateTimeField(null=True)  # before this
    event = models.TextField(blank=True)  # a track's event name, or the type of another call
    user_key = models.TextField(blank=True)
    reason = models.TextField(blank=True)  # why the dead letters were aborted
    picked = models.PositiveIntegerField(null=True)  # so many events chosen one by one: lanes.picks
    rate = models.PositiveIntegerField(null=True, help_text="attempts a second; empty: no limit of its own")
    next_at = models.DateTimeField(null=True)  # when its rate allows the next event
    total = models.BigIntegerField()  # events between where it starts and ends
    total_is_exact = models.BooleanField()
    counts = models.JSONField(null=True)  # replay.progress.Counts, once it has ended
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="replay_state_known",
                condition=models.Q(state__in=["running", "paused"], ended_at=None)
                | models.Q(state__in=["finished", "cancelled"], ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="replay_finished_has_counts",
                condition=~models.Q(state="finished") | models.Q(counts__isnull=False),
            ),
            models.CheckConstraint(name="replay_rate_positive", condition=models.Q(rate=None) | models.Q(rate__gt=0)),
        ]
        indexes = [
            # destinations.control, destinations.servable: those that may have something to do
            models.Index(name="replay_open", fields=["destination"], condition=models.Q(counts__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"replay {self.pk}"


class ReplayAction(models.Model):
    """Who did what to a replay; append-only."""

    class Action(models.TextChoices):
        CREATE = "create"
        PAUSE = "pause"
        RESUME = "resume"
        CANCEL = "cancel"
        FINISH = "finish"  # by itself

    replay = models.ForeignKey(Replay, on_delete=models.CASCADE)
    action = models.CharField(max_length=10, choices=Action.choices)
    actor = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class Recovery(models.Model):
    """How many of a connection's dead letters a replay has delivered: lanes still count them as aborted."""

    connection = models.OneToOneField("destinations.Connection", on_delete=models.CASCADE, primary_key=True)
    events = models.BigIntegerField(default=0)
