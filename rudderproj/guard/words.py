"""The last words of a process that died: its log as a report may show it, the traceback in it, the signal's name.

Must never let through a row that PostgreSQL quotes, or a secret of our environment. Must never import Django or an app.
"""

import json
import signal
from collections.abc import Iterator
from typing import Any

from rudderproj import own_secrets, quoted_rows

LOG_BYTES = 16_384
TRACEBACK_MOST = 20_000  # characters; of a longer one the end, where the cause is
_FATAL, _TRACEBACK = "Fatal Python error: ", "Traceback (most recent call last):"
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")


def signal_name(number: int) -> str:
    """What a report calls a signal: SIGSEGV; those of real time have no names."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def readable(output: bytes) -> str:
    """The end of a process's output as text that a database takes, from the beginning of a line."""
    text = output[-LOG_BYTES:].decode(errors="replace").replace("\x00", "")
    if len(output) > LOG_BYTES:
        text = text.partition("\n")[2]
    return own_secrets.mask()(quoted_rows.cut(text))


def traceback_of(log: str) -> str:
    """The last traceback in a readable log; faulthandler's for a hard crash. Empty if there is none."""
    found = ""
    for block in _blocks(log.splitlines()):
        found = block
    return found[-TRACEBACK_MOST:]


def _blocks(lines: list[str]) -> Iterator[str]:
    """Every traceback, in order: those printed as they are, and those inside lines of JSON."""
    block: list[str] = []
    for line in lines:
        if (logged := _logged(line)) is not None:
            yield from _ended(block)
            block = []
            yield from _ended(logged.splitlines())
        elif _begins(line) and not _goes_on(block):
            yield from _ended(block)
            block = [line]
        elif block:
            block.append(line)
    yield from _ended(block)


def _begins(line: str) -> bool:
    return line.startswith(_FATAL) or line.lstrip(" +|").endswith(_TRACEBACK)


def _goes_on(block: list[str]) -> bool:
    """Whether the last words of a block announce another traceback that belongs to it."""
    last = next((line for line in reversed(block) if line.strip()), "")
    return last.startswith(_CHAINED)


def _ended(block: list[str]) -> Iterator[str]:
    if block:
        yield "\n".join(block).strip()


def _logged(line: str) -> str | None:
    """The exception in a line of our log; empty: a line without. None: none of our lines."""
    if not line.startswith("{"):
        return None
    try:
        fields: Any = json.loads(line)
    except ValueError:
        return None
    return str(fields.get("exception", ""))
