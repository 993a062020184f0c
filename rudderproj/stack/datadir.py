"""The data folder: its layout, its lock, its generated secrets.

Owns every path below DATA_DIR. Must never touch the mode or owner of a folder outside it.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import StackError


def _word() -> str:
    return secrets.token_urlsafe(24)


def _signing_key() -> str:
    return secrets.token_urlsafe(48)


def _encryption_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


# How each is made, once.
SECRETS = {
    "stack_id": _word,
    "secret_key": _signing_key,
    "secrets_keys": _encryption_key,
    "database_password": _word,
    "valkey_password": _word,
    "flower_password": _word,
    "admin_password": _word,
}
# A run that has just been killed needs a moment to let go; longer than that, somebody is really there.
LOCK_WAIT_SECONDS = 3.0


@dataclass(frozen=True)
class DataDir:
    """An opened, locked data folder. Paths are absolute.

    `marker` names this very folder in the environment of its processes; a copy of the folder has another one.
    """

    root: Path
    secrets: dict[str, str]
    marker: str
    lock_fd: int

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Records of live processes and generated configuration, worthless after a stop; and alerts.watch's memory."""
        return self.root / "run"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def close(self) -> None:
        """Let the next run in."""
        os.close(self.lock_fd)


def open_data_dir(path: str) -> DataDir:
    """Create what is missing, lock the folder and read its secrets. Raises StackError in one line."""
    root = Path(path).expanduser().absolute()
    if any(ord(char) < 32 or char in ";\"'" for char in str(root)):
        raise StackError(f"DATA_DIR {str(root)!r}: quotes, semicolons and control characters cannot be used", 2)
    try:
        _create(root)
        lock_fd = _lock(root)
        known = _load_secrets(root / "secrets.json")
        return DataDir(root, known, _marker(root, known), lock_fd)
    except OSError as error:
        raise StackError(f"DATA_DIR {root}: {error.strerror or error}; choose another with DATA_DIR=...") from None


def _marker(root: Path, known: dict[str, str]) -> str:
    stat = root.stat()
    text = f"{known['stack_id']}:{stat.st_dev}:{stat.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _create(root: Path) -> None:
    # 0711: where root has to run PostgreSQL under another uid, that uid must be able to pass through.
    root.mkdir(mode=0o711, parents=True, exist_ok=True)
    owner = root.stat().st_uid
    if owner != os.geteuid():
        raise StackError(
            f"DATA_DIR {root} belongs to user id {owner}, you are {os.geteuid()}; choose another with DATA_DIR=..."
        )
    for name in ("logs", "run"):
        (root / name).mkdir(mode=0o700, exist_ok=True)


def _lock(root: Path) -> int:
    lock_fd = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(lock_fd, 32, 0).decode(errors="replace").strip()
                os.close(lock_fd)
                raise StackError(
                    f"DATA_DIR {root} is in use by process {holder or '(starting)'}; "
                    "stop it or choose another with DATA_DIR=..."
                ) from None
            time.sleep(0.05)
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
    return lock_fd


def _load_secrets(path: Path) -> dict[str, str]:
    known: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        try:
            known = json.loads(path.read_text())
        except ValueError:
            raise StackError(f"{path} is not valid JSON; restore it or remove the data folder") from None
    missing = SECRETS.keys() - known.keys()
    if missing:
        known |= {name: make() for name, make in SECRETS.items() if name in missing}
        write_private(path, json.dumps(known, indent=1))
    return known


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def last_line(log: Path) -> str:
    """The last line a program wrote, for a one-line error."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1].strip() if lines else "it wrote nothing"
