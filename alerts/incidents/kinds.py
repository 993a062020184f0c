"""Every kind of incident: what people call it, and in one sentence what to do about it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """`title` as lists show it, `to_do` as the person woken reads it."""

    title: str
    to_do: str


DATABASE_AWAY = "database_away"
TEST = "test"

KINDS = {
    "degraded_mode": Kind(
        "Degraded mode",
        "Look at the crash reports, deploy what mends them, then set the mode back to normal.",
    ),
    "crash_loop": Kind(
        "Crash loop",
        "Look at the process's crash reports and its log; the mode does not change because of it.",
    ),
    "process_missing": Kind(
        "Process missing",
        "Start it: see what its supervisor or its pod says about why it is not there.",
    ),
    "destination_failing": Kind(
        "Destination failing",
        "Find out what ails the destination; nothing is lost, and sending goes on by itself once it answers.",
    ),
    "destination_behind": Kind(
        "Destination behind",
        "See whether it answers slowly, is limited in its rate, or needs more forwarding workers.",
    ),
    "destination_held": Kind(
        "Destination held",
        "Mend its configuration or its access, send a test event, then resume it.",
    ),
    "dead_letters": Kind(
        "Many dead letters",
        "Look at why they were given up; once that is mended they can be replayed.",
    ),
    "poison_event": Kind(
        "Poison event",
        "Read the crash report, mend the plugin, then replay the dead letter.",
    ),
    "difference": Kind(
        "Unexplained difference",
        "Run `manage.py status --json` and `manage.py verify`, keep the log of the day, and report it as a bug.",
    ),
    "retention": Kind(
        "Undelivered events near their end",
        "Resume or mend who is owed them, or raise RETENTION_DAYS, before the day named.",
    ),
    "forwarding_stalled": Kind(
        "Forwarding stalled",
        "End the transaction named if it is nobody's backup: nothing is forwarded before it ends.",
    ),
    DATABASE_AWAY: Kind(
        "Database away",
        "Bring the database back: no event is accepted until then, and clients retry.",
    ),
    TEST: Kind("Test", "Nothing: somebody tried whether alerts arrive."),
}


def title(kind: str) -> str:
    """What people call it."""
    return KINDS[kind].title if kind in KINDS else kind.replace("_", " ").capitalize()
