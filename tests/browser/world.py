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

    def counted(self, name: str, label: str) -> int:
        """What the web process has counted since its start under this metric and value of a label."""
        text = http.ask(self.stack.web_port, "GET", "/metrics").body
        return sum(int(value) for value in re.findall(rf'^{name}\{{.*"{label}".*\}} (\d+)', text, re.MULTILINE))


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
