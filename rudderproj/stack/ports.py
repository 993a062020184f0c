"""Loopback ports: is one free, and which ones the embedded services keep.

Must never hold a port: what it says is true at that moment only.
"""

import errno
import json
import random
import socket
from pathlib import Path

from .datadir import write_private
from .errors import StackError

# Below the range that Linux and macOS hand out to outgoing connections, so that a service which
# restarts finds its port free.
KEPT_PORTS = range(20000, 32000)


def require_free(host: str, port: int, variable: str) -> None:
    """Raises StackError naming port and variable when nothing can listen there."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror:
        raise StackError(f"{host} is not an address to listen on", 2) from None
    try:
        _try_bind(address[0], address[4])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StackError(f"port {port} is in use; free it or set {variable} to another port") from None
        raise StackError(f"cannot listen on {host} port {port}: {error.strerror}; change {variable}") from None


def is_free(port: int) -> bool:
    """Whether a service could listen on 127.0.0.1 there now."""
    try:
        _try_bind(socket.AF_INET, ("127.0.0.1", port))
    except OSError:
        return False
    return True


def kept_port(path: Path, name: str) -> int:
    """The port this data folder keeps for `name`; a new one if another process took it."""
    known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    port = known.get(name, 0)
    taken = set(known.values())
    while not port or not is_free(port):
        port = random.choice(KEPT_PORTS)  # noqa: S311 - not a secret
        if port in taken:
            port = 0
    write_private(path, json.dumps(known | {name: port}))
    return port


def _try_bind(family: int, address: object) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)  # type: ignore[arg-type]
        probe.listen(1)
