"""A TCP relay in a thread of its own: what stands between two programs of this machine, and changes what passes.

Must never know what it carries: whoever wants to change something gives a function from bytes to bytes.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

Change = Callable[[bytes], bytes]


class Relay:
    """Listens on a port of its own and connects to `upstream` for each client; `change` makes each one's change."""

    def __init__(self, upstream: int, change: Callable[[], Change]) -> None:
        self._upstream, self._change = upstream, change
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """End all connections and the thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accepted, "127.0.0.1", 0)

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                server, to_server = await asyncio.open_connection("127.0.0.1", self._upstream)
            except OSError:
                to_client.close()
                return
            await _either(_pump(client, to_server, self._change()), _pump(server, to_client, bytes))
            for writer in (to_client, to_server):
                writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, change: Change) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(change(data))
            await target.drain()


async def _either(*ways: Coroutine[Any, Any, None]) -> None:
    """Run both until one ends, and end the other: half a connection is of no use here."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def relaying(upstream: int, change: Callable[[], Change]) -> Iterator[Relay]:
    """A relay until the end of the block."""
    relay = Relay(upstream, change)
    try:
        yield relay
    finally:
        relay.close()
