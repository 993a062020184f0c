"""Inbox: each event, as it is stored, over HTTP to our own web process, which shows it on a page."""

from typing import Any

from destinations.plugins.base import BuildContext, Request


def build(event_json: str, event: dict[str, Any], config: dict[str, Any], context: BuildContext) -> Request:
    """The request for one event."""
    del event  # sent as it is stored
    headers = [("content-type", "application/json"), ("x-attempt", str(context.attempt))]
    return Request("POST", config["url"], headers, event_json.encode())
