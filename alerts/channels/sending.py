"""Saying something to channels: one HTTP client for PagerDuty and Splunk On-Call, a process for Apprise.

Must never raise for what a provider or the network does, hold a database connection, or let a secret into an answer.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from alerts.channels import apprise_channel, pagerduty, victorops
from alerts.channels.message import Message, Sent
from alerts.incidents import words
from rudderproj.http import Answer, HttpClient
from rudderproj.masking import masker

TIMEOUT_SECONDS = 10.0
APPRISE_SECONDS = 30.0
ANYWHERE = ["0.0.0.0/0", "::/0"]
LONGEST_SECONDS = 300.0  # between two tries while the trouble may pass
FINAL_SECONDS = 900.0  # and when somebody has to mend the channel
RETRY_AFTER_MOST = 3600.0

_BY_HTTP = {"pagerduty": (pagerduty, "PAGERDUTY_EVENTS_URL"), "victorops": (victorops, "VICTOROPS_URL")}


@dataclass(frozen=True, slots=True)
class Address:
    """Where to, whatever became of the channel's row. `problem`: why its configuration cannot be read."""

    channel_id: int
    name: str
    provider: str
    config: Mapping[str, Any]
    problem: str = ""


def say(messages: Sequence[tuple[Address, Message]]) -> list[Sent]:
    """Send all of these side by side; what came of each, in order."""
    return asyncio.run(_say(messages)) if messages else []


async def _say(messages: Sequence[tuple[Address, Message]]) -> list[Sent]:
    clients = {True: HttpClient(ANYWHERE), False: HttpClient(settings.ENV["EGRESS_ALLOW"])}
    try:
        return await asyncio.gather(*(_send(clients, address, message) for address, message in messages))
    finally:
        for client in clients.values():
            await client.close()


async def _send(clients: Mapping[bool, HttpClient], address: Address, message: Message) -> Sent:
    if address.problem:
        return Sent(False, f"its configuration cannot be read: {address.problem}", True)
    mask = masker(_secrets(address.config))
    try:
        if address.provider == "apprise":
            sent = await apprise_channel.send(address.config, message, settings.ENV["EGRESS_ALLOW"], APPRISE_SECONDS)
            return sent._replace(answer=mask(sent.answer), beside=mask(sent.beside))
        module, url = _BY_HTTP[address.provider]
        request = module.prepare(address.config, message, settings.ENV[url])
    except (KeyError, ValueError, TypeError) as error:
        return Sent(False, f"its configuration lacks {error}", True)
    except OSError as error:
        return Sent(False, str(error))
    headers = [("content-type", "application/json")]
    client, whose = clients[request.is_trusted], address.channel_id
    answer = await client.send(whose, "POST", request.url, headers, request.body, TIMEOUT_SECONDS)
    accepted = answer.status is not None and module.is_accepted(answer.status, answer.body)
    return _judged(answer, accepted, mask(_in_words(answer)))


def _judged(answer: Answer, accepted: bool, said: str) -> Sent:
    """408, 425, 429, 5xx and no answer pass by themselves; everything else that was not accepted does not."""
    passes = answer.status is None or answer.status >= 500 or answer.status in (408, 425, 429)
    after = (answer.retry_after or "").strip()
    wait = float(after) if after.isascii() and after.isdigit() else None
    return Sent(accepted, said, not accepted and not passes, wait)


def _in_words(answer: Answer) -> str:
    if answer.status is None:
        return answer.error
    body = words.one_line(answer.body, 300)
    return f"HTTP {answer.status}{f': {body}' if body else ''}"


def _secrets(config: Mapping[str, Any]) -> list[str]:
    """What of a configuration must not be shown: keys, and Apprise's URLs, whole and in their parts."""
    hidden = [value for name, value in config.items() if name != "url"]
    texts = [str(part) for value in hidden for part in (value if isinstance(value, list) else [value])]
    parts = [part for text in texts for part in text.replace("@", "/").replace(":", "/").split("/")]
    return [text for text in {*texts, *parts} if len(text) >= 8]


def delay_seconds(attempts: int, sent: Sent, chance: float | None = None) -> float:
    """How long to wait after so many tries, the last of which was not accepted: 1-2, 2-4 … 150-300 s."""
    chance = random.random() if chance is None else chance  # noqa: S311 - spreads tries, guards nothing
    if sent.is_final:
        return FINAL_SECONDS * (0.5 + chance / 2)
    backoff = min(LONGEST_SECONDS, 2.0 ** min(attempts, 20)) * (0.5 + chance / 2)
    return max(backoff, min(sent.retry_after or 0.0, RETRY_AFTER_MOST))
