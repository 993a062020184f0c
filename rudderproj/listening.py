"""The socket of the web process, open before anything else of it is loaded, and after it has gone.

Clients that come while it ends and starts wait in the kernel's queue instead of being refused: rudder-node without
Redis gives up after 1.5 seconds of refusals, which is less than a start takes. Must never import what is slow to load.
"""

import contextlib
import os
import socket
from collections.abc import Mapping

from rudderproj import env

BACKLOG = 1024  # clients that may wait to be accepted; the system's own limit is often higher
INHERITED = "RUDDERPROJ_LISTEN_FD"  # what a guard tells the process that it starts


def listen(host: str, port: int) -> socket.socket:
    """Open the address for one process alone. Raises OSError if it cannot be had."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def hold(environ: Mapping[str, str]) -> dict[str, str]:
    """Open the socket for a web process to be started, until we end; what is to be added to its environment.

    Nothing where it cannot be opened: that process will try again, and say why not.
    """
    with contextlib.suppress(OSError, env.EnvError):
        values = env.read(environ)
        listener = listen(values["WEB_HOST"], values["WEB_PORT"])
        listener.set_inheritable(True)
        return {INHERITED: str(listener.detach())}
    return {}


def inherited() -> socket.socket | None:
    """The socket that our guard holds, if it does."""
    number = os.environ.pop(INHERITED, "")
    return socket.socket(fileno=int(number)) if number else None
