"""What a run reads: the ledger that senders and sink write, and the log of a sink elsewhere.

What others write may be anything: a line that is no arrival is counted, the first is kept to be shown. Must never raise
for one.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from destinations.verify.ledger import Kind, Reader, Record

DAY_SECONDS = 86_400.0  # no clock that is kept is off by so much
SHOWN = 120  # characters of a line


class Records:
    """Both, as they grow. `unreadable`: lines of the sink's log so far."""

    def __init__(self, ledger: Path, sink_log: Path | None) -> None:
        self.unreadable = 0
        self._first = ""
        self._ledger = Reader(ledger)
        self._sink_log = Reader(sink_log) if sink_log else None

    def more(self) -> Iterator[Record]:
        """What was appended since."""
        # Read first and told last: what was sent is known before its arrival.
        arrivals = list(self._elsewhere())
        yield from self._ledger.more()
        yield from arrivals

    def remarks(self) -> list[str]:
        """What is unreadable, and why."""
        return [f"lines of the sink's log are no arrivals, the first: {self._first}"] if self.unreadable else []

    def close(self) -> None:
        self._ledger.close()
        if self._sink_log:
            self._sink_log.close()

    def _elsewhere(self) -> Iterator[Record]:
        for line in self._sink_log.lines() if self._sink_log else ():
            if not line.strip():
                continue
            try:
                record = orjson.loads(line)
                if record["kind"] == Kind.ARRIVED:
                    yield _arrival(**record)
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                shown = line.decode(errors="replace")[:SHOWN]
                self._first = self._first or f"{shown!r}, {error!r}"
                self.unreadable += 1


def _arrival(*, at: float, message_id: str, status: int | None, final: bool, **_: Any) -> Record:
    """As the sink here would have noted it. Raises ValueError or TypeError."""
    now = time.time()
    if not math.isclose(float(at), now, rel_tol=0.0, abs_tol=DAY_SECONDS):
        raise ValueError("`at` is not near to now, in Unix seconds")
    return {
        "kind": Kind.ARRIVED,
        "mono": time.monotonic() - max(0.0, now - float(at)),  # a clock that is ahead would outlast any patience
        "message_id": str(message_id),
        "status": int(status or 0),
        "final": bool(final),
    }
