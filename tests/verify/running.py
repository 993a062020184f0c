"""`manage.py verify` as a process beside a test, and the ledger that tells how far it has come."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from destinations.verify import ledger
from destinations.verify.ledger import Kind
from tests.e2e.stack import ROOT
from tests.stack.harness import eventually

END_SECONDS = 150


@dataclass(frozen=True)
class Ended:
    """What it said; `report` is empty when it printed none."""

    code: int
    report: dict[str, Any]
    errors: str

    def wrong(self) -> dict[str, int]:
        """The counts that are not 0 and should be."""
        names = ("lost", "out_of_order", "unexpected", "difference", "refused", "unknown")
        return {name: found for name in names if (found := self.report.get(name))}


def _heed_interrupts() -> None:
    """A shell has what it runs in the background ignore them, and whatever that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Verify:
    """One run, with its ledger in `folder`."""

    def __init__(self, environ: dict[str, str], folder: Path, *options: str) -> None:
        self.ledger = folder / "ledger.jsonl"
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "verify", "--json", "--ledger", str(self.ledger), *options],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_interrupts,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, kind: Kind, count: int = 1) -> list[ledger.Record]:
        """Until the ledger has so many records of the kind; all of them."""

        def found() -> list[ledger.Record]:
            assert self._process.poll() is None, self._process.communicate()
            records = list(ledger.read(self.ledger)) if self.ledger.exists() else []
            matching = [record for record in records if record["kind"] == kind]
            return matching if len(matching) >= count else []

        return eventually(found)

    def wait_until_told(self, line: str) -> None:
        """Until it says this on standard error, which is then read as far as that."""
        assert self._process.stderr
        assert self._process.stderr.readline() == f"{line}\n"

    def end(self) -> Ended:
        """Wait for its end."""
        out, errors = self._process.communicate(timeout=END_SECONDS)
        return Ended(self._process.returncode, json.loads(out) if out else {}, errors)

    def kill(self) -> None:
        """End it at once, if a failed test left it."""
        self._process.kill()
        self._process.communicate()
