"""`manage.py verify`: send a load, receive it, and compare what was acknowledged with what arrived.

Exit codes: 0 everything was accepted and arrived in order, 1 it did not or the deployment does not answer, 2 wrong use.
"""

import json
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from destinations.verify import arguments, local
from destinations.verify.account import Account
from destinations.verify.report import Report
from destinations.verify.run import Options, verify
from destinations.verify.senders import SenderDied
from destinations.verify.site import Away, Site, Unusable

INTERRUPTED = 130


class Command(BaseCommand):
    """Run and report; progress goes to standard error."""

    help = "Send a load of its own, receive it at a sink of its own, and report what was lost, repeated, out of order."

    def add_arguments(self, parser: CommandParser) -> None:
        arguments.add(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            if options["clean"]:
                self.stdout.write("\n".join(f"removed {name}" for name in local.clean_leftovers()))
                return
            report = self.run(arguments.options(options), arguments.site(options))
        except Unusable as error:
            self.fail(2, str(error))
        except (Away, SenderDied, OSError) as error:
            self.fail(1, str(error))
        except KeyboardInterrupt:
            self.fail(INTERRUPTED, "interrupted")
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False))
        else:
            self.stdout.write("\n".join(report.lines()))
        if faults := report.faults(options["duplicates"]):
            self.fail(1, "; ".join(faults))

    def run(self, chosen: Options, site: Site) -> Report:
        """With a bar on standard error where a person sees it."""
        with tqdm(
            total=arguments.expected(chosen.load), unit="ev", disable=None, file=sys.stderr, desc="delivered"
        ) as bar:

            def watch(account: Account) -> None:
                bar.total = max(bar.total or 0, account.accepted)
                bar.set_postfix(
                    waiting=account.waiting,
                    again=account.put_off + account.unanswered,
                    duplicates=account.duplicates,
                    out_of_order=account.out_of_order,
                    refresh=False,
                )
                bar.update(account.delivered - bar.n)
                bar.refresh()  # also while nothing arrives: then the rest is what a person wants to see

            return verify(chosen, site, watch)

    def fail(self, code: int, problem: str) -> NoReturn:
        """End with this exit code."""
        self.stderr.write(problem)
        raise SystemExit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
