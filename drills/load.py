"""The load: `manage.py verify` beside the fault, a process of its own with a ledger."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from destinations.verify.ledger import Reader
from drills.ledger import Ledger
from drills.stack import ROOT, NotSo, Stack, eventually

LEAST_ACCEPTED = 0.8  # of what was to be sent, where ingest goes on; in a soak web stands still for some of the time
RETRY_SECONDS = 1.0  # a client that waited for as long as Retry-After says would tell less of what is down


@dataclass(frozen=True)
class Plan:
    """What verify sends. `rate` is events a second."""

    users: int = 40
    rate: int = 100
    batch: int = 1
    seconds: float = 20.0
    seed: int = 1
    sink_latency_ms: int = 20
    patience: float = 90.0

    def shortfall(self, accepted: int) -> list[str]:
        """Whether so much less went in than was to be sent that it was no load."""
        asked = self.rate * self.seconds
        return [f"{accepted} accepted of {asked:.0f} that were to be sent"] if accepted < LEAST_ACCEPTED * asked else []

    def arguments(self, ledger: Path) -> list[str]:
        named = {
            "--users": self.users,
            "--rate": self.rate,
            "--batch": self.batch,
            "--seconds": self.seconds,
            "--seed": self.seed,
            "--sink-latency": self.sink_latency_ms,
            "--patience": self.patience,
            "--wait-most": RETRY_SECONDS,
            "--ledger": ledger,
        }
        return ["verify", "--json", *(str(part) for pair in named.items() for part in pair)]


@dataclass
class Load:
    """A run of verify. `report` is there when it has ended."""

    ledger_path: Path
    process: subprocess.Popen[str]
    report: dict[str, Any] = field(default_factory=dict)
    _ledger: Ledger = field(default_factory=Ledger)
    _reader: Reader | None = None

    def ledger(self) -> Ledger:
        """What has happened so far."""
        if self._reader is None and self.ledger_path.exists():
            self._reader = Reader(self.ledger_path, from_start=True)
        if self._reader:
            self._ledger.add(self._reader.more())
        return self._ledger

    @property
    def began(self) -> float:
        """When it began to send (monotonic seconds)."""
        began = self.ledger().began
        if began is None:
            raise NotSo("verify has not begun")
        return began

    def is_flowing(self, since: float = 0.0) -> bool:
        """Whether something was delivered that was accepted after this moment. Raises NotSo when verify is over."""
        if self.ledger().first_delivery_after(since) is not None:
            return True
        if self.process.poll() is not None:
            raise NotSo("verify ended before anything was delivered")
        return False

    def finish(self, seconds: float) -> None:
        """Wait for its verdict. Raises NotSo when it gives none."""
        try:
            answer = self.process.communicate(timeout=seconds)[0]
            self.report = json.loads(answer)
        except (subprocess.TimeoutExpired, ValueError) as error:
            raise NotSo(f"verify gave no verdict: {error}") from None


@contextmanager
def flowing(stack: Stack, plan: Plan, folder: Path) -> Iterator[Load]:
    """verify, with its first events delivered; it is waited for at the end of the block."""
    folder.mkdir(exist_ok=True)
    path = folder / "ledger.jsonl"
    path.unlink(missing_ok=True)
    errors = (folder / "verify.log").open("ab")
    process = subprocess.Popen(
        stack.manage_command(*plan.arguments(path), *stack.verify_options),
        cwd=ROOT,
        env=stack.client_environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    errors.close()
    load = Load(path, process)
    try:
        eventually(load.is_flowing, "the first delivery of verify")
        yield load
        load.finish(plan.seconds + plan.patience + 120)
    finally:
        if process.poll() is None:
            process.kill()  # in order it would wait for a database that may be gone
            process.wait()
