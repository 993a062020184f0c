"""What the watch remembers beside the database: encrypted files in the data folder, for a restart while it is away.

They are in `run`, which a pod has for all its life and may write; the data folder itself is read-only there. Must never
fail for a disk that is full or a file that cannot be read.
"""

import json
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from rudderproj import secrets
from rudderproj.stack.datadir import write_private

log = structlog.get_logger(__name__)


def keep(name: str, value: Any) -> None:
    """Keep this JSON under a name."""
    try:
        path = _path(name)
        if path.parents[1].is_dir():
            path.parent.mkdir(mode=0o700, exist_ok=True)  # `make run` has it, a worker started by hand may not
            write_private(path, secrets.ring().encrypt(json.dumps(value)))
    except (OSError, secrets.SecretUnreadable) as error:
        log.warning("watch.not_kept", name=name, error=str(error))


def read(name: str) -> Any:
    """What was kept; None if nothing was, or it cannot be read."""
    try:
        return json.loads(secrets.ring().decrypt(_path(name).read_text()))
    except (OSError, ValueError, secrets.SecretUnreadable):
        return None


def forget(name: str) -> None:
    """Keep it no longer."""
    try:
        _path(name).unlink(missing_ok=True)
    except OSError as error:
        log.info("watch.not_forgotten", name=name, error=str(error))


def _path(name: str) -> Path:
    return Path(settings.ENV["DATA_DIR"]) / "run" / name
