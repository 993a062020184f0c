"""PagerDuty: Events API v2. Pure: makes requests, judges answers.

202 means accepted. 400 means that the event or its key will never be; 429 and 5xx pass.
"""

import json
from collections.abc import Mapping
from typing import Any

from alerts.channels.message import Message, Request
from alerts.incidents import words

SUMMARY_MOST = 1024
KEY_MOST = 255
CLIENT = "rudderproj"


def prepare(config: Mapping[str, Any], message: Message, usual_url: str) -> Request:
    """The event. `config`: routing_key, perhaps url; `usual_url` is the environment's. Raises KeyError."""
    event: dict[str, Any] = {
        "routing_key": config["routing_key"],
        "event_action": message.action,
        "dedup_key": message.key[:KEY_MOST],
    }
    if not message.is_over:
        event |= {
            "payload": {
                "summary": words.one_line(f"{message.source}: {message.summary}", SUMMARY_MOST),
                "source": message.source or CLIENT,
                "severity": message.severity,
                "timestamp": message.opened,
                "component": CLIENT,
                "class": message.kind,
                "custom_details": dict(words.in_order(message.details)),
            },
            "client": CLIENT,
            "client_url": message.link,
            "links": [{"href": message.link, "text": "Incident in the admin"}],
        }
    url = config.get("url") or usual_url
    return Request(url, json.dumps(event).encode(), url == usual_url)


def is_accepted(status: int, _body: str) -> bool:
    """Whether the answer says so."""
    return 200 <= status < 300
