"""The socket of the web process, open before anything else of it is loaded.

Clients that come while it starts wait in the kernel's queue instead of being refused: rudder-node without Redis gives
up after 1.5 seconds of refusals, which is less than a start takes. Must never import what takes time to load.
"""

import socket

BACKLOG = 1024  # clients that may wait to be accepted; the system's own limit is often higher


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
