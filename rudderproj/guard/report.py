"""What a crash report says beyond the death itself: what ran, where, and how it was set up.

Must never import Django or an app, which have just failed, nor tell a secret.
"""

import os
import platform
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from rudderproj import VERSION, own_secrets
from rudderproj.env import VARIABLES

_PACKAGES = ("celery", "kombu", "billiard", "Django", "granian", "psycopg2-binary", "pyreqwest", "redis", "uvloop")
_GROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of a container, either version of control groups
_NO_LIMIT = 1 << 60  # the older version says so by a number near 2**63


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Versions, machine, memory in bytes, and the settings that are set, without secrets."""
    return {
        "versions": _versions(),
        "platform": platform.platform(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "machine_uptime_seconds": round(time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))),
        "memory": _memory(),
        "settings": {
            variable.name: own_secrets.shown(variable.name, environ[variable.name])
            for variable in VARIABLES
            if environ.get(variable.name)
        },
    }


def _versions() -> dict[str, str]:
    found = {"rudderproj": VERSION, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package.lower()] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _memory() -> dict[str, int]:
    """Of the machine and its control group; what cannot be told is left out."""
    found = {}
    for line in _read(Path("/proc/meminfo")).splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            found["total" if name == "MemTotal" else "available"] = int(rest.split()[0]) * 1024
    for limit in _GROUP_LIMITS:
        text = _read(Path("/sys/fs/cgroup") / limit).strip()
        if text.isdecimal() and int(text) < _NO_LIMIT:
            found["limit"] = int(text)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
