"""The stack under test: `python -m rudderproj.stack run` with a data folder and ports of its own.

Owns its configuration; its start and end are the drills' stack's. Must never meet the stack of a person who works
beside it.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import days
from bench.server import Server, sinking
from drills.stack import Stack, free_ports
from rudderproj import env

UNCONNECTED = "bench-unconnected"
FIRST = "d0"  # the first of the destinations
IN_FORCE_SECONDS = 2.0  # a change is in force everywhere within this


@dataclass(frozen=True)
class Layout:
    """How a stack is made. Scenarios of the same layout share one; a `label` keeps a layout from being the same."""

    destinations: int = 1
    sources: int = 1
    environ: tuple[tuple[str, str], ...] = ()
    batch_events: int = 1  # in one request to a destination, at most
    days: int = 1  # the log's age
    filled: int = 0  # events that yesterday and today have already
    label: str = ""

    @property
    def write_keys(self) -> list[str]:
        return [f"bench-{number}" for number in range(self.sources)]

    def document(self, sink_port: int) -> dict[str, Any]:
        """For `manage.py apply`: every source connected to every destination, and one source to none."""
        more = {"batch_events": self.batch_events} if self.batch_events > 1 else {}
        return {
            "sources": [{"name": key, "write_key": key} for key in [*self.write_keys, UNCONNECTED]],
            "destinations": [
                {
                    "name": f"d{number}",
                    "type": "webhook",
                    "config": {"webhookUrl": f"http://127.0.0.1:{sink_port}/d{number}", "webhookMethod": "POST"} | more,
                    "sources": self.write_keys,
                }
                for number in range(self.destinations)
            ],
        }


@contextlib.contextmanager
def running(layout: Layout) -> Iterator[Server]:
    """Start sink and stack, stop both afterwards. Raises drills.stack.NotSo with what the stack said."""
    defaults = {variable.name: variable.default for variable in env.VARIABLES}
    # As users get it: the drills' stack has fewer processes.
    environ = {"FORWARD_AUTOSCALE": defaults["FORWARD_AUTOSCALE"], **dict(layout.environ)}
    with (
        tempfile.TemporaryDirectory(prefix="rudderproj-bench-") as folder,
        sinking(free_ports(1)[0]) as sink,
    ):
        Path(folder).chmod(0o711)  # PostgreSQL may have to pass through under another user id
        stack = Stack(Path(folder) / "stack", environ)
        stack.folder.mkdir()
        with stack.running():
            if layout.days > 1 or layout.filled:
                _grow_old(stack, layout, sink.port)
            stack.apply(**layout.document(sink.port))
            time.sleep(IN_FORCE_SECONDS)
            yield Server(
                stack.host,
                stack.web_port,
                layout.write_keys,
                UNCONNECTED,
                layout.destinations,
                sink,
                lambda: stack.lives() | {"runner": stack.runner},
                stack,
            )


def _grow_old(stack: Stack, layout: Layout, sink_port: int) -> None:
    """Fill the log of sources that are connected to nothing yet."""
    stack.apply(sources=layout.document(sink_port)["sources"])
    with contextlib.closing(stack.connect()) as raw:
        if layout.days > 1:
            days.fill(raw, range(1, layout.days))
        if layout.filled:
            days.fill(raw, (0, 1), layout.filled)
