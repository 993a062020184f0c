"""A destination behind TLS that speaks HTTP/2, or only HTTP/1.1: hypercorn in a process that can be stopped and killed.

`python -m tests.forwarding.http2 LISTENING-FD CERTIFICATE PROTOCOLS STREAMS`: each arrival is a line of output. An
event whose message id begins with HANGS is never answered.
"""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from hypercorn.asyncio import serve
from hypercorn.config import Config

from destinations.oracle.server import listener
from drills.certificates import Authority

HANGS = "hangs"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application: takes everything, and says what came."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    name = orjson.loads(body)["messageId"]
    print(scope["http_version"], scope["client"][1], name, flush=True)
    if name.startswith(HANGS):
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@dataclass
class Receiver:
    """The process from outside."""

    port: int
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def url(self) -> str:
        """Where to send events."""
        return f"https://127.0.0.1:{self.port}/hook"

    @property
    def arrivals(self) -> list[tuple[str, str, str]]:
        """HTTP version, the connection's far end, and message id of each request so far."""
        lines = self.output.read_text().rpartition("\n")[0].splitlines()
        return [(version, client, name) for version, client, name in map(str.split, lines)]

    @property
    def ids(self) -> list[str]:
        return [name for _, _, name in self.arrivals]

    @property
    def versions(self) -> Counter[str]:
        return Counter(version for version, _, _ in self.arrivals)

    @property
    def clients(self) -> Counter[str]:
        return Counter(client for _, client, _ in self.arrivals)

    def stop(self) -> None:
        """It is there, and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def receiving(authority: Authority, protocols: list[str], port: int = 0, streams: int = 100) -> Iterator[Receiver]:
    """Listen at 127.0.0.1 with a certificate of this authority until the block ends, when it is killed."""
    with listener("127.0.0.1", port) as held:
        held.listen(100)
        output = authority.file.parent / f"arrivals-{held.fileno()}-{port}"
        file = authority.sign("receiver", timedelta(days=1))
        words = [str(held.fileno()), str(file), ",".join(protocols), str(streams)]
        with output.open("wb") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.forwarding.http2", *words], stdout=written, pass_fds=[held.fileno()]
            )
        found = held.getsockname()[1]
    try:
        yield Receiver(found, process, output)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    config = Config()
    fd, config.certfile, chosen, most = sys.argv[1:]
    config.keyfile, config.bind, config.alpn_protocols = config.certfile, [f"fd://{fd}"], chosen.split(",")
    config.h2_max_concurrent_streams = int(most)
    asyncio.run(serve(app, config))
