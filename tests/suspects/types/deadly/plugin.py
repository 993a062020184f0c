"""The webhook, but it kills its process on events that say so, or on any if its configuration does."""

import ctypes
import os
from typing import Any

from destinations.plugins.base import BuildContext, Request
from destinations.plugins.webhook import plugin as webhook


def build(event_json: str, event: dict[str, Any], config: dict[str, Any], context: BuildContext) -> Request:
    """What the webhook would send. `properties.death`: "segfault" or "exit"; `config["death"]`: on any event."""
    death = event.get("properties", {}).get("death") or config.get("death")
    if death == "segfault":
        ctypes.string_at(0)
    if death == "exit":
        os._exit(3)
    return webhook.build(event_json, event, config, context)
