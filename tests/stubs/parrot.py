"""A server below HTTP: it says the same bytes to all who ask, be they an answer or not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def answering(answer: bytes, is_cut: bool) -> Iterator[int]:
    """Its port, on 127.0.0.1 alone; having said this it ends the connection, or says nothing more."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                accepted.recv(10_000)
                accepted.sendall(answer)
                if is_cut:
                    accepted.close()
                else:
                    kept.append(accepted)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for each in kept:
        each.close()
