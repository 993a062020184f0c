"""A deployment as it might look after an hour of work, for pictures: made-up people, real events, real deliveries.

Only the history of the hour before is made up, by `fill_history`, from what there really is at its end.
"""

import base64
import json
import math
import random
import urllib.request
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any

from tests.browser.product import Product
from tests.browser.sink import Sink

EVENTS = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed", "Signed Up", "Search Performed")
BAD_EVENT = "Coupon Applied"
PEOPLE = (
    "ada",
    "grace",
    "alan",
    "edsger",
    "barbara",
    "donald",
    "radia",
    "ken",
    "margaret",
    "dennis",
    "frances",
    "leslie",
)
KEYS = {"web-shop": "demo-web-shop-key-01", "ios-app": "demo-ios-app-key-0001", "backend": "demo-backend-key-0001"}
JOURNEY = (
    *(("ada", step) for step in ("Signed Up", "Search Performed", "Product Viewed", "Product Added")),
    ("grace", "Product Viewed"),
    *(("ada", step) for step in ("Checkout Started", "Order Completed")),
    ("grace", "Signed Up"),
)
BATCHES, BATCH = 60, 100
SAMPLES, STEP_SECONDS = 120, 30


def configuration(sink: Sink) -> dict[str, Any]:
    """What `manage.py apply` is given: three sources, four destinations that are the sink."""

    def webhook(name: str, *sources: str, **more: Any) -> dict[str, Any]:
        config = {
            "webhookUrl": f"{sink.url}/{name}",
            "headers": [{"from": "Authorization", "to": "Bearer 3fa9c1d7e2"}, {"from": "X-Team", "to": "growth-team"}],
        }
        return {"name": name, "type": "webhook", "config": config, "sources": list(sources), **more}

    return {
        "sources": [{"name": name, "write_key": key} for name, key in KEYS.items()],
        "destinations": [
            webhook("warehouse", *KEYS),
            webhook("crm", "web-shop", "ios-app", rate_limit=200, event_filter={"deny": ["Search Performed"]}),
            webhook("billing", "backend", retry={"window": "6h", "attempts": 5}),
            webhook("product-analytics", "web-shop", "ios-app", max_concurrency=8),
        ],
    }


def send_traffic(product: Product, batches: int, seed: int = 7) -> None:
    """Batches from every source in turn, the same whenever it runs."""
    chance = random.Random(seed)
    for number in range(batches):
        name = list(KEYS)[number % len(KEYS)]
        _post(product, KEYS[name], list(_events(chance, number)))


def _events(chance: random.Random, batch: int) -> Iterator[dict[str, Any]]:
    for number in range(BATCH):
        bad = batch % 10 == 4 and number == 50
        name = BAD_EVENT if bad else chance.choice(EVENTS)
        yield {
            "type": "track",
            "event": name,
            "userId": f"{chance.choice(PEOPLE)}-{chance.randrange(400)}",
            "messageId": f"{chance.getrandbits(128):032x}",
            "properties": {"currency": "EUR", "value": round(chance.uniform(5, 180), 2), "sku": f"SKU-{number:04}"},
        }


def _post(product: Product, key: str, events: list[dict[str, Any]]) -> None:
    login = base64.b64encode(f"{key}:".encode()).decode()
    headers = {"content-type": "application/json", "authorization": f"Basic {login}"}
    request = urllib.request.Request(f"{product.url}/v1/batch", json.dumps({"batch": events}).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        assert answer.status == 200


def fill_history() -> None:
    """An hour of samples that lead to the present one. Runs inside the product: `manage.py shell -c`."""
    from destinations import history
    from destinations.history import Figures, OfConnection, Snapshot
    from destinations.models import Sample

    def keep(whole: Snapshot) -> None:
        slot = int(whole.at.timestamp()) // history.INTERVAL_SECONDS
        Sample.objects.create(slot=slot, taken_at=whole.at, took_seconds=0.05, counts=whole.as_json())

    now = history.at_most(0)
    Sample.objects.all().delete()
    shares = _shares()
    for back in range(SAMPLES, 0, -1):
        share = shares[SAMPLES - back]
        wave = 0.5 + 0.5 * math.sin(back / 6) * math.sin(back / 17)
        rows = []
        for row in now.connections:
            grown: dict[str, Any] = {f.name: int(getattr(row.figures, f.name) * share) for f in fields(Figures)}
            if row.figures.pending < 50:
                grown["pending"] = int(3 + 14 * wave)
                grown["failed"] = 2 if 50 < back < 58 else 0
                grown["waiting"] = 5 if 50 < back < 57 else 0
            slow = 1 + (row.connection_id % 3) * 6
            figures = Figures(**grown | {"oldest_age_seconds": wave * slow})
            if row.figures.pending >= 50:
                figures.oldest_age_seconds = max(0.0, row.figures.oldest_age_seconds - back * STEP_SECONDS)
                figures.pending = int(row.figures.pending * max(0.0, 1 - back / 14))
            rows.append(OfConnection(row.connection_id, row.source_id, row.destination_id, figures))
        stored = {key: int(events * share) for key, events in now.stored.items()}
        keep(Snapshot(now.at - timedelta(seconds=back * STEP_SECONDS), stored, rows))
    keep(now)


def _shares() -> list[float]:
    """Of everything, how much was there at each sample: traffic comes and goes."""
    rates = [
        1 + 0.45 * math.sin(n / 11) + 0.2 * math.sin(n / 3.1) + (0.8 if 70 < n < 82 else 0) for n in range(SAMPLES)
    ]
    total, so_far, shares = sum(rates), 0.0, [0.0]
    for rate in rates:
        so_far += rate / total
        shares.append(min(1.0, so_far))
    return shares
