"""A test event: an operator asks for it, a forwarding worker sends it through the destination's plugin, for real.

Also to a destination that is paused or held: it shows whether resuming would help. Must never touch health, lanes or
counts, and must not import a plugin where it is only asked for.
"""

import asyncio
import uuid
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.db.models.functions import Now

from destinations import control
from destinations.control import Control
from destinations.models import Destination, Trial
from destinations.outcome import classify, describe
from destinations.plugins.base import BuildError
from destinations.sender import PluginBroken, Sender
from destinations.settle import masked_answer, masked_request
from rudderproj import db, flight
from rudderproj.celery import FORWARD_QUEUE, app
from rudderproj.http import HttpClient

log = structlog.get_logger(__name__)

TASK = "destinations.send_test_event"
UNSENT = "unsent"
KEPT = 20  # of each destination
MESSAGE_SECONDS = 60  # who waits for the answer has given up by then
STATEMENT_SECONDS = 10.0


def ask(destination: Destination, actor: str) -> Trial:
    """Have a test event sent soon. Raises one of doorbell.BROKER_AWAY."""
    made = Trial.objects.create(destination=destination, asked_by=actor)
    kept = Trial.objects.filter(destination=destination).order_by("-id").values("id")[:KEPT]
    Trial.objects.filter(destination=destination).exclude(id__in=kept).delete()
    app.send_task(TASK, [made.pk], queue=FORWARD_QUEUE, expires=MESSAGE_SECONDS, retry=False)
    return made


def run(trial_id: int) -> None:
    """Send it, once, however often the message comes."""
    if not Trial.objects.filter(pk=trial_id, started_at=None).update(started_at=Now()):
        return
    trial = Trial.objects.get(pk=trial_id)
    with closing(db.connect("trial", STATEMENT_SECONDS)) as raw:
        seen = control.read(raw, trial.destination_id)
    if seen:
        found = asyncio.run(_send(seen, trial))
        Trial.objects.filter(pk=trial_id).update(finished_at=Now(), **found)
        log.info("test_event.sent", destination=seen.name, actor=trial.asked_by, outcome=found["outcome"])


async def _send(seen: Control, trial: Trial) -> dict[str, Any]:
    """What came of it, as columns."""
    if seen.is_barred:
        return _unsent("its plugin may have killed a worker: that is being looked into")
    if seen.config_problem:
        return _unsent(seen.config_problem)
    client = HttpClient(settings.ENV["EGRESS_ALLOW"])
    hands = flight.mine()
    slot = hands.take_event(trial.destination_id, 0, -1, 0, 0, -1)  # of no connection: it is never sent again
    try:
        sender = Sender(seen, client, lambda: datetime.now(UTC), settings.ENV["FORWARD_TIMEOUT_SECONDS"])
        event = made_up_event(trial.asked_by)
        request = sender.request_for(orjson.dumps(event).decode(), event, event["messageId"], 1)
        timeout = request.timeout_seconds or settings.ENV["FORWARD_TIMEOUT_SECONDS"]
        answer = await client.send(
            trial.destination_id, request.method, request.url, request.headers, request.body, timeout
        )
    except PluginBroken as error:
        return _unsent(str(error))
    except BuildError as error:
        return _unsent(sender.mask(str(error)))
    finally:
        hands.give(slot)
        await client.close()
    return {
        "outcome": classify(answer),
        "reason": sender.mask(describe(answer)),
        "request": orjson.loads(masked_request(request, sender.mask)),
        "response": orjson.loads(masked_answer(answer, sender.mask)),
        "duration_ms": round(answer.seconds * 1000),
    }


def _unsent(reason: str) -> dict[str, Any]:
    return {"outcome": UNSENT, "reason": reason}


def made_up_event(actor: str) -> dict[str, Any]:
    """A track event that nobody takes for a real one."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "messageId": f"test-{uuid.uuid4()}",
        "type": "track",
        "event": "Test Event",
        "userId": "test-user",
        "anonymousId": "test-user",
        "properties": {"test": True, "sent_by": actor},
        "context": {"library": {"name": "rudderproj"}},
        "integrations": {"All": True},
        "originalTimestamp": now,
        "sentAt": now,
        "timestamp": now,
        "receivedAt": now,
    }
