"""What a crash report says beyond the death itself: readable last lines, the traceback among them, versions.

Must never import Django or an app: it is written when they have just failed.
"""

import platform
from importlib import metadata
from typing import Any

from rudderproj import VERSION

LOG_BYTES = 16_384
_PACKAGES = ("celery", "Django", "granian", "psycopg2-binary")
_BEGINNINGS = ("Fatal Python error: ", "Traceback (most recent call last):")


def environment() -> dict[str, Any]:
    """What ran: versions."""
    versions = {"rudderproj": VERSION, "python": platform.python_version(), "kernel": platform.release()}
    for package in _PACKAGES:
        try:
            versions[package.lower()] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions}


def readable(output: bytes) -> str:
    """The end of a process's output as text that a database takes, from the beginning of a line."""
    text = output[-LOG_BYTES:].decode(errors="replace").replace("\x00", "")
    return text.partition("\n")[2] if len(output) > LOG_BYTES else text


def traceback_of(log: str) -> str:
    """The last traceback among these lines; faulthandler's for a hard crash. Empty if there is none."""
    found = [position for beginning in _BEGINNINGS if (position := log.rfind(beginning)) >= 0]
    return log[max(found) :].strip() if found else ""
