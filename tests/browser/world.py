"""What the tests of web SDKs share: the product, with a database of its own to take away, a destination, and a shop."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.browser import shop
from tests.e2e import http, stack
from tests.e2e.services import Services
from tests.e2e.sink import Sink, recording
from tests.e2e.stack import Stack

KEY, LIMITED_KEY = "shop", "shop-limited"


@dataclass(frozen=True)
class World:
    """The events of both sources go to the sink; the second source takes one request a second."""

    stack: Stack
    services: Services
    sink: Sink
    shop: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.stack.web_port}"

    def duplicates(self) -> int:
        """Events that the web process did not store since its start, because it had them."""
        text = http.ask(self.stack.web_port, "GET", "/metrics").body
        found = re.search(r'^rudderproj_ingested_events_total\{.*"duplicate".*\} (\d+)', text, re.MULTILINE)
        return int(found[1]) if found else 0


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """The world until the end of the block."""
    services = Services(folder / "services")
    try:
        (folder / "stack").mkdir()
        with (
            recording() as sink,
            shop.serving() as address,
            stack.running(
                services.environ | {"METRICS_OPEN": "1"}, folder / "stack", "web", "forward", "beat"
            ) as product,
        ):
            product.apply(
                sources=[
                    {"name": "shop", "write_key": KEY},
                    {"name": "limited", "write_key": LIMITED_KEY, "rate_limit": 1},
                ],
                destinations=[
                    {
                        "name": "hook",
                        "type": "webhook",
                        "config": {"webhookUrl": sink.url},
                        "sources": ["shop", "limited"],
                    }
                ],
            )
            yield World(product, services, sink, address)
    finally:
        services.close()
