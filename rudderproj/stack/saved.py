"""The environment of the running stack, kept so that `manage.py` by hand finds the same database and secrets.

Must stay cheap to import: every command does. Must never replace what the user set.
"""

import contextlib
import json
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from .datadir import write_private

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DATA_DIR = ROOT / ".data"
NAMES = (
    *("DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "SECRETS_KEYS", "DATA_DIR", "WEB_HOST", "WEB_PORT"),
    *("ALLOWED_HOSTS", "FLOWER_PORT", "FLOWER_USER", "FLOWER_PASSWORD", "INBOX_ENABLED", "EGRESS_ALLOW"),
    # Else `manage.py upkeep` by hand would drop what the stack was told to keep, and `check --deploy` judge another.
    *("RETENTION_DAYS", "RETENTION_POLICY", "RETENTION_WARNING_DAYS", "RETENTION_REJECTED_DAYS"),
    *("RETENTION_ATTEMPT_DAYS", "RETENTION_DELIVERY_DAYS", "RETENTION_DEAD_LETTER_DAYS", "RETENTION_HISTORY_DAYS"),
    *("RETENTION_CRASH_DAYS", "CRASH_REPORTS_KEPT"),
    # `status` and `mode` must say what the stack's own processes go by.
    *("RSERVER_MODE", "RECOVERY_ENABLED", "RECOVERY_CRASH_THRESHOLD"),
    *("RECOVERY_CRASH_WINDOW_SECONDS", "RECOVERY_CRASH_LONG_WINDOW_SECONDS"),
    *("HTTPS_ONLY", "TRUSTED_PROXIES", "PUBLIC_ONLY"),
)


def save(data_root: Path, environ: Mapping[str, str]) -> None:
    """Keep what a command by hand needs, readable by the owner only."""
    known = {name: environ[name] for name in NAMES if name in environ}
    write_private(data_root / "environment.json", json.dumps(known, indent=1))


def adopt(environ: MutableMapping[str, str]) -> None:
    """Fill in what `environ` lacks from the data folder's last start; does nothing if there was none."""
    path = Path(environ.get("DATA_DIR") or DEFAULT_DATA_DIR) / "environment.json"
    with contextlib.suppress(OSError, ValueError):
        for name, value in json.loads(path.read_text()).items():
            if not environ.get(name):
                environ[name] = value
