"""Webhook: each event as one HTTP request, optionally signed as Standard Webhooks says.

POST, PUT and PATCH carry the event exactly as it is stored. GET and DELETE carry no body; an event's properties (an
identify's traits) become the query, nested names joined by dots, as RudderStack does it.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from destinations.plugins.base import BuildContext, BuildError, Request

_WITHOUT_BODY = {"GET", "DELETE"}
_JSON = {"content-type": "application/json"}
_SECRET_PREFIX = "whsec_"  # noqa: S105  # a public prefix


def build(event_json: str, event: dict[str, Any], config: dict[str, Any], context: BuildContext) -> Request:
    """The request for one event. Raises BuildError when a GET or DELETE event's properties are no object."""
    method, url = config.get("webhookMethod", "POST"), config["webhookUrl"]
    if method in _WITHOUT_BODY:
        return _request(config, _with_query(url, event), {}, b"", context)
    return _request(config, url, dict(_JSON), event_json.encode(), context)


def batch_events(config: dict[str, Any]) -> int:
    """How many events one request may carry: a request without a body carries one."""
    return 1 if config.get("webhookMethod") in _WITHOUT_BODY else int(config.get("batch_events") or 1)


def build_batch(events: Sequence[str], config: dict[str, Any], context: BuildContext) -> Request:
    """`{"batch": [...]}`, each event exactly as it is stored."""
    body = f'{{"batch":[{",".join(events)}]}}'.encode()
    return _request(config, config["webhookUrl"], dict(_JSON), body, context)


def _request(config: dict[str, Any], url: str, headers: dict[str, str], body: bytes, context: BuildContext) -> Request:
    """With the headers that are configured, and signed."""
    for header in config.get("headers", ()):
        if header["from"]:
            headers[header["from"].lower()] = header.get("to", "")
    if secrets := config.get("signing_secret", "").split():
        headers |= _signature(secrets, body, context)
    return Request(config.get("webhookMethod", "POST"), url, list(headers.items()), body, config.get("timeout_seconds"))


def _signature(secrets: list[str], body: bytes, context: BuildContext) -> dict[str, str]:
    """Standard Webhooks: the id is the same for every attempt, the time is the attempt's, one signature a secret."""
    message_id = quote(context.message_id, safe="!#$&'()*+,/:;=?@[]|~ ")  # as it is, unless no header could carry it
    timestamp = str(int(context.now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [
        base64.b64encode(hmac.digest(base64.b64decode(secret.removeprefix(_SECRET_PREFIX)), signed, hashlib.sha256))
        for secret in secrets
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature.decode()}" for signature in signatures),
    }


def _with_query(url: str, event: dict[str, Any]) -> str:
    """The URL with an event's properties added to its query."""
    if event.get("type") == "identify":
        values = event.get("traits") or (event.get("context") or {}).get("traits")
    else:
        values = event.get("properties")
    if values is not None and not isinstance(values, dict):
        raise BuildError("properties that are not an object cannot be sent as a query")
    added = urlencode(list(_flat("", values or {})))
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, added) if part)))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """(name, text) of every leaf: `a.b`, `a[0]`; null is left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else key, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(f"{name}[{index}]", inner)
    elif value is not None:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)
