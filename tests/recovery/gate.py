"""A gate before the database: open, closed (refused, and whoever is inside is cut off), or silent (nobody answers)."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Gate:
    """Listens on a port of its own, which it keeps, and passes on to the database of a URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._through: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.is_silent = False
        self.port = 0
        self.open()
        host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
        self.url = url.replace(f"@{host}", f"@127.0.0.1:{self.port}")
        assert self.url != url

    def open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(16)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for sock in self._through:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._through.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._through.append(client)
                if not self.is_silent:
                    server = socket.create_connection(self._target)
                    self._through.append(server)
                    for one, other in ((client, server), (server, client)):
                        threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for sock in (one, other):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def gate(url: str) -> Iterator[Gate]:
    found = Gate(url)
    try:
        yield found
    finally:
        found.close()
