"""JSON logs: one line an event, named `noun.verb_past`, on standard error.

Must never be given payloads or secrets: callers log ids and reasons.
"""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from rudderproj import quoted_rows


def without_rows(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop what PostgreSQL quotes of rows from every text of a line."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = quoted_rows.cut(value)
    return line


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def configure(config: dict[str, Any]) -> None:
    """Send structlog and the standard library's logging to standard error as JSON. Called by Django."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            without_rows,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.get("level", "INFO"))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


_gathered: list[str] | None = None


def wide(event: str, **fields: Any) -> None:
    """Write one wide line at INFO without going through a logger: the hot path writes thousands a second."""
    if not logging.getLogger().isEnabledFor(logging.INFO):
        return
    line = _dumps({**fields, "event": event, "level": "info", "timestamp": datetime.now(UTC)})
    if _gathered is None:
        sys.stderr.write(line + "\n")
    else:
        _gathered.append(line)


@contextlib.contextmanager
def gathering() -> Iterator[Callable[[], None]]:
    """Keep this process's wide lines until what this yields is called: one write for many of them.

    Lines of a process that is killed are lost with what it held; what it had in flight is known (rudderproj.flight).
    """
    global _gathered
    _gathered = []
    try:
        yield _write_gathered
    finally:
        _write_gathered()
        _gathered = None


def _write_gathered() -> None:
    global _gathered
    if _gathered:
        lines, _gathered = _gathered, []
        sys.stderr.write("\n".join(lines) + "\n")
