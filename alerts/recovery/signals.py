"""Signals of this app, for receivers that it must not know."""

from django.dispatch import Signal

# A child of this worker's pool died and its crash is in the database. Arguments: crash_id (str). In the main process.
crash_recorded = Signal()

# A process restarts too often. Argument: loop (alerts.recovery.counting.Loop). Sent once for each of its restarts, by
# every process that looks: receivers have to stand being told by several.
threshold_reached = Signal()
