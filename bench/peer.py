"""Another server with the same HTTP API, which somebody has told to forward to our sink: measured in the same way."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench.server import Server, sinking


def pids_of(text: str) -> dict[str, int]:
    """`web=12,postgres=34` as pids by role. Raises ValueError."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {role.strip(): int(pid) for role, _, pid in pairs}


@contextlib.contextmanager
def running(url: str, write_key: str, sink_port: int, unconnected: str, pids: dict[str, int]) -> Iterator[Server]:
    """The server at `url`, and our sink where it forwards to. Raises ValueError for a URL that cannot be driven."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
        raise ValueError("the URL has to be http://HOST:PORT")
    with sinking(sink_port) as sink:
        yield Server(parts.hostname, parts.port or 80, [write_key], unconnected, 1, sink, lambda: pids)
