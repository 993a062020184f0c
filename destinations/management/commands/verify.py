"""`manage.py verify`: send a load, receive it, and compare what was acknowledged with what arrived.

Exit codes: 0 everything was accepted and arrived in order, 1 it did not or the deployment does not answer, 2 wrong use,
130 ended by Ctrl-C or SIGTERM before its time.
"""

import json
import signal
import sys
from types import FrameType
from typing import Any, NoReturn, Self

from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from destinations.verify import arguments, local
from destinations.verify.account import Account
from destinations.verify.report import Report
from destinations.verify.run import Options, verify
from destinations.verify.senders import SenderDied
from destinations.verify.site import Away, Site, Unusable

INTERRUPTED = 130
ENDING = "no more is sent; waiting for what was accepted (again to end at once)"


class Interrupts:
    """Ctrl-C and SIGTERM: the first is remembered, a second one ends whatever is under way by KeyboardInterrupt."""

    def __init__(self) -> None:
        self.came = False

    def __enter__(self) -> Self:
        self._before = [(number, signal.signal(number, self._come)) for number in (signal.SIGINT, signal.SIGTERM)]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def _come(self, _number: int, _frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True


class Command(BaseCommand):
    """Run and report; progress goes to standard error."""

    help = "Send a load of its own, receive it at a sink of its own, and report what was lost, repeated, out of order."

    _has_told = False  # that it is about to end

    def add_arguments(self, parser: CommandParser) -> None:
        arguments.add(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            if options["clean"]:
                self.stdout.write("\n".join(f"removed {name}" for name in local.clean_leftovers()))
                return
            with Interrupts() as interrupts:
                report = self.run(arguments.options(options), arguments.site(options), interrupts)
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
        faults = report.faults()
        if report.interrupted:
            self.fail(INTERRUPTED, "; ".join(["interrupted", *faults]))
        if faults:
            self.fail(1, "; ".join(faults))

    def run(self, chosen: Options, site: Site, interrupts: Interrupts) -> Report:
        """With a bar on standard error where a person sees it."""
        with tqdm(total=chosen.load.expected, unit="ev", disable=None, file=sys.stderr, desc="delivered") as bar:

            def watch(account: Account) -> None:
                if interrupts.came and not self._has_told:
                    self._has_told = True
                    bar.write(ENDING, file=sys.stderr)
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

            return verify(chosen, site, watch, lambda: interrupts.came)

    def fail(self, code: int, problem: str) -> NoReturn:
        """End with this exit code."""
        self.stderr.write(problem)
        raise SystemExit(code)
