"""Requests that are no events yet, made into events: image queries and other products' webhooks. Pure."""

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from ingest.decode import BodyError, parse

WEBHOOK_EVENT = "webhook_source_event"  # RudderStack's name
MAX_PATH = 32  # levels that a dotted query parameter may name


def from_query(query: str, event_type: str, sent_at: str) -> dict[str, Any]:
    """The event of an image request: each parameter a field, `properties.price` a nested one, the first value counts.

    `sent_at` stands for both times of the client, which has no clock here.
    """
    event: dict[str, Any] = {
        "channel": "web",
        "integrations": {"All": True},
        "originalTimestamp": sent_at,
        "sentAt": sent_at,
    }
    for name, value in first_values(query).items():
        _put(event, name.split(".", MAX_PATH), value)
    if event_type == "page":
        event["name"] = event.get("name") or "Unknown Page"
    return event


def from_webhook(value: Any, new_id: Callable[[], str]) -> list[dict[str, Any]]:
    """An event for what was posted, or for each element of a list. Nobody is known, so each is a user of its own."""
    items = value if isinstance(value, list) else [value]
    return [
        {
            "event": WEBHOOK_EVENT,
            "anonymousId": new_id(),
            "properties": item if isinstance(item, dict) else {"value": item},
        }
        for item in items
    ]


def webhook_value(body: bytes, content_type: str) -> Any:
    """The JSON value or form of a webhook's body, whatever `content_type` says unless it is multipart.

    Raises BodyError.
    """
    if content_type.startswith("multipart/form-data"):
        return _multipart_fields(body, content_type)
    try:
        return parse(body)
    except BodyError:
        form = first_values(body.decode(errors="replace")) if b"=" in body else {}
        if not form or body.lstrip()[:1] in b"{[":  # JSON that was cut off is no form, whatever it contains
            raise
        return form


def _multipart_fields(body: bytes, content_type: str) -> dict[str, str]:
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
    try:
        fields, _files = MultiPartParser(meta, io.BytesIO(body), [MemoryFileUploadHandler()]).parse()
    except (MultiPartParserError, SuspiciousOperation):
        raise BodyError(400, "invalid form") from None
    return {str(name).replace("\0", ""): str(fields[name]).replace("\0", "") for name in fields}


def first_values(query: str) -> dict[str, str]:
    """The fields of a query or form, without the write key and without NUL."""
    fields: dict[str, str] = {}
    for name, value in parse_qsl(query.replace("%00", ""), keep_blank_values=True):
        fields.setdefault(name.replace("\0", ""), value.replace("\0", ""))
    fields.pop("writeKey", None)
    fields.pop("", None)
    return fields


def _put(event: dict[str, Any], path: list[str], value: str) -> None:
    *parents, name = path
    for parent in parents:
        child = event.get(parent)
        if not isinstance(child, dict):
            child = event[parent] = {}
        event = child
    event[name] = value
