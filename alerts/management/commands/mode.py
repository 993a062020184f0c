"""`manage.py mode normal|degraded --reason TEXT`: change the service mode.

Exit codes: 0 the mode is now as asked, 2 wrong use.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from kombu.exceptions import OperationalError

from alerts import modes
from alerts.models import Mode
from rudderproj import account
from rudderproj.celery import FORWARD_QUEUE, app

SWEEP = "destinations.sweep"


class Command(BaseCommand):
    """Set the mode and say so; without a mode, show the current one."""

    help = "Show or change the service mode: normal forwards events, degraded accepts and stores them only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("mode", nargs="?", choices=Mode.Value.values)
        parser.add_argument("--reason", default="", help="why; kept in the history")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["mode"] is None:
            return self.show()
        mode, actor = options["mode"], account.name()
        former = modes.set_mode(mode, options["reason"].strip(), actor)
        taken_over = former == mode
        self.stdout.write(
            f"{mode} already; now by {actor}" if taken_over else f"{'now' if former else 'already'} {mode}"
        )
        if note := modes.without_effect():
            self.stderr.write(note)
        if former and mode == modes.NORMAL:
            _ring()
        return None

    def show(self) -> None:
        """One line: the mode, since when, by whom and why."""
        mode = modes.current()
        if mode.forced:
            self.stdout.write(f"{mode.mode}, {mode.reason}; stored: {mode.stored}")
            return
        parts = [f"by {mode.actor}" if mode.actor else "", f"({mode.reason})" if mode.reason else ""]
        self.stdout.write(" ".join([mode.mode, f"since {mode.since:%Y-%m-%dT%H:%M:%SZ}", *filter(None, parts)]))


def _ring() -> None:
    """Have the backlog taken up at once; without a broker the sweep does it a moment later."""
    try:
        app.send_task(SWEEP, queue=FORWARD_QUEUE, expires=10, retry=False)
    except (OperationalError, OSError):
        return
