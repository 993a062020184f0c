"""Splunk On-Call, once VictorOps: its REST endpoint. Pure: makes requests, judges answers.

The keys are part of the address, which must therefore never be shown.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from alerts.channels.message import Message, Request
from alerts.incidents import words

_TYPES = {"critical": "CRITICAL", "error": "CRITICAL", "warning": "WARNING", "info": "INFO"}
RECOVERY = "RECOVERY"
TOOL = "rudderproj"


def prepare(config: Mapping[str, Any], message: Message, usual_url: str) -> Request:
    """The alert. `config`: routing_key, perhaps api_key and url; `usual_url` is the environment's. Raises KeyError."""
    alert = dict(words.in_order(message.details)) | {
        "message_type": RECOVERY if message.is_over else _TYPES[message.severity],
        "entity_id": message.key,
        "entity_display_name": f"{message.source}: {message.summary}",
        "state_message": message.text(),
        "state_start_time": int(message.opened_at.timestamp()),
        "monitoring_tool": TOOL,
        "host_name": message.source,
        "kind": message.kind,
        "severity": message.severity,
        "alert_url": message.link,
        "vo_annotate.u.Incident in the admin": message.link,
    }
    base = config.get("url") or usual_url
    keys = [config["api_key"]] if config.get("api_key") else []
    path = "/".join(quote(key, safe="/") for key in [*keys, config["routing_key"]])
    return Request(f"{base.rstrip('/')}/{path}", json.dumps(alert).encode(), base == usual_url)


def is_accepted(status: int, body: str) -> bool:
    """Whether the answer says so: a key it does not know may come as 200 with a failure."""
    return 200 <= status < 300 and '"failure"' not in body
