"""`manage.py apply FILE`: bring sources, destinations and connections to what a file says.

Exit codes: 0 done, also when nothing differed; 2 wrong input, one line a problem on standard error, nothing changed.
"""

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from destinations.apply import run
from destinations.apply.wanted import InputError


class Command(BaseCommand):
    """Read the file, print what it changed; what could not be taken goes to standard error."""

    help = "Bring sources, destinations and connections to what a YAML file or a workspaceConfig.json says."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", help="YAML, or RudderStack's workspaceConfig.json; - for standard input"
        )
        parser.add_argument("--dry-run", action="store_true", help="print the difference and change nothing")
        parser.add_argument("--prune", action="store_true", help="disable what the file does not name")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text(encoding="utf-8-sig")
            applied = run.apply(run.read(text, os.environ), options["prune"], options["dry_run"])
        except InputError as error:
            self.fail(error.problems)
        except OSError as error:
            self.fail([f"{options['file']}: {error.strerror}"])
        except UnicodeDecodeError:
            self.fail([f"{options['file']}: not UTF-8"])
        else:
            for note in applied.notes:
                self.stderr.write(note)
            self.stdout.write("\n".join(applied.lines or ["no changes"]))

    def fail(self, problems: list[str]) -> None:
        """End with exit code 2."""
        for problem in problems:
            self.stderr.write(problem)
        raise SystemExit(2)
