"""Lives and crashes of the long-running processes.

Written in SQL by rudderproj.guard, which must work where Django cannot be loaded, and by alerts.recovery: every column
that the guard leaves out has a default in the database.
"""

import uuid

from django.db import models
from django.db.models.functions import Now


class Life(models.Model):
    """The present or last life of an identity, from start to end. One row each: who comes back replaces it."""

    class End(models.TextChoices):
        NONE = ""  # it lives, or nobody saw it end
        CLEAN = "clean"  # by itself, with exit status 0
        ASKED = "asked"  # after somebody asked for it, however it ended then
        CRASHED = "crashed"

    role = models.CharField(max_length=10)
    node = models.CharField(max_length=200)  # who it is, across its restarts
    run = models.TextField(db_default="")  # the supervisor's run or the pod: another run is no restart
    boot = models.TextField(db_default="")  # of the machine: after a power cut nothing has crashed
    pid = models.IntegerField()
    started_at = models.DateTimeField(db_default=Now())
    end = models.CharField(max_length=10, choices=End.choices, db_default="", blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="life_once", fields=["role", "node"]),
            models.CheckConstraint(
                name="life_end_known", condition=models.Q(end__in=["", "clean", "asked", "crashed"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.node}"


class Crash(models.Model):
    """An unclean end of a process or of a pool's child, with its report. Counts from the moment it was restarted."""

    class Kind(models.TextChoices):
        PROCESS = "process"  # a guarded process
        CHILD = "child"  # a process of a worker's pool

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)  # by whoever saw it: stored once
    at = models.DateTimeField(db_default=Now())
    role = models.CharField(max_length=10)
    node = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    pid = models.IntegerField(db_default=0)
    restarted_at = models.DateTimeField(null=True)  # the same identity came back in the same run
    exit_status = models.IntegerField(null=True)  # null: nobody saw it end, or it ended by a signal
    signal = models.CharField(max_length=20, db_default="", blank=True)  # SIGSEGV
    is_oom = models.BooleanField(db_default=False)  # the kernel killed for want of memory meanwhile
    uptime_seconds = models.FloatField(null=True)
    summary = models.TextField(db_default="", blank=True)  # one line
    traceback = models.TextField(db_default="", blank=True)
    log = models.TextField(db_default="", blank=True)  # its last lines
    in_flight = models.JSONField(default=list, db_default=[])  # see rudderproj.flight: ids, never payloads
    environment = models.JSONField(default=dict, db_default={})  # versions, settings without secrets
    mode = models.CharField(max_length=10, db_default="", blank=True)  # of the service, then
    suspected_until = models.DateTimeField(null=True)  # until then its events in flight are looked into first
    explained = models.TextField(db_default="", blank=True)  # by which event or destination: it counts no more
    sentry_at = models.DateTimeField(null=True)  # Sentry was told

    class Meta:
        verbose_name_plural = "crashes"
        constraints = [
            models.CheckConstraint(name="crash_kind_known", condition=models.Q(kind__in=["process", "child"])),
        ]
        indexes = [
            # alerts.recovery: how often an identity came back lately
            models.Index(
                name="crash_restarted",
                fields=["role", "node", "restarted_at"],
                condition=models.Q(restarted_at__isnull=False, explained=""),
            ),
            models.Index(name="crash_age", fields=["at"]),  # alerts.chores: the oldest first
        ]

    def __str__(self) -> str:
        return self.summary or f"{self.role} {self.node}"
