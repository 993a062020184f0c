"""The ingest API described, as OpenAPI 3.1: made from the routes, so that none is missing.

Must never promise more than SDKs may rely on: bodies are taken leniently, and what an answer's text says is for people.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from ingest import routes

Described = dict[str, Any]

_BASIC: list[Described] = [{"writeKey": []}]
_QUERY: list[Described] = [{"writeKeyInQuery": []}]

_RETRY = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "required": True, "description": "seconds"}}
_ID = {"type": ["string", "number", "boolean", "null"], "description": "kept as a string, of at most 1000 bytes"}
_WITH_ID: Described = {"type": ["string", "number", "boolean"], "pattern": r"[^\s\u0000-\u001f]", "maxLength": 250}
_EVENT: Described = {
    "type": "object",
    "properties": {
        "type": {"enum": sorted(set(routes.EVENTS.values())), "description": "the route's goes before it"},
        "messageId": {
            "type": "string",
            "maxLength": 250,  # characters of four bytes
            "description": "made up when missing; a second one of it is dropped; of at most 1000 bytes",
        },
        "userId": _ID,
        "anonymousId": _ID,
        "event": {"type": "string"},
        "properties": {"type": "object"},
        "traits": {"type": "object"},
        "context": {"type": "object"},
        "originalTimestamp": {"type": "string"},
        "sentAt": {"type": "string"},
    },
    "description": "at least one of userId and anonymousId",
}
# The whole request is refused without one, so the schema says it too; of a batch, only the event is.
_ONE_EVENT: Described = _EVENT | {
    "anyOf": [{"required": [name], "properties": {name: _WITH_ID}} for name in ("userId", "anonymousId")]
}
_BATCH: Described = {
    "type": "object",
    "required": ["batch"],
    "properties": {"batch": {"type": "array", "minItems": 1, "items": _EVENT}, "sentAt": {"type": "string"}},
}
_REJECTED: Described = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "rejected": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["index", "messageId", "reason"],
                "properties": {
                    "index": {"type": "integer", "minimum": 0},
                    "messageId": {"type": "string"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}
_TEXT: Described = {"text/plain": {"schema": {"type": "string"}}}
_IMAGE: Described = {"image/gif": {"schema": {"type": "string", "format": "binary"}}}
_REFUSALS = {
    "400": "not JSON, no events, or, for a route of one event, a bad event: the reason",
    "401": "no write key, or one that nobody has",
    "404": "the source is switched off",
    "413": "too large, counted while inflating",
}
_LATER = {"429": "the source's rate is used up", "503": "overloaded, ending, or the database is away: come back"}


def description() -> Described:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rudderproj ingest",
            "version": "1",
            "description": "What RudderStack's and Segment's SDKs send. 200 is answered after COMMIT and never before.",
        },
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "writeKey": {"type": "http", "scheme": "basic", "description": "the write key as user, no password"},
                "writeKeyInQuery": {"type": "apiKey", "in": "query", "name": "writeKey"},
            }
        },
    }


@require_GET
def view(_request: HttpRequest) -> HttpResponse:
    """`GET /openapi.json`."""
    return JsonResponse(description())


def _paths() -> Described:
    mixed = {**_TEXT, "application/json": {"schema": _REJECTED}}
    batch = _takes(_BATCH) | {"summary": "Several events", "responses": _responses(mixed)}
    either = [*_BASIC, *_QUERY]
    webhook = {"summary": "What others send, as track events", "security": either, "responses": _responses(mixed)}
    found: Described = {}
    for path, name in routes.EVENTS.items():
        one = {"summary": f"One {name} event", "security": _BASIC, "responses": _responses(_TEXT)}
        found[path] = {"post": _takes(_ONE_EVENT) | one}
    found |= {path: {"post": batch | {"security": _BASIC}} for path in routes.BATCHES}
    found |= {path: {"post": batch | {"security": _QUERY}} for path in routes.BEACONS}
    found |= {path: {"get": _pixel(name)} for path, name in routes.PIXELS.items()}
    found |= {path: {"get": webhook, "post": _takes({"minItems": 1}) | webhook} for path in routes.WEBHOOKS}
    ignored = {"summary": "Taken and forgotten", "responses": {"200": _answer("ignored", _TEXT)}}
    found |= {path: {"post": _takes({}) | ignored} for path in routes.DISCARDED}
    config = {"summary": "The configuration of an SDK", "security": either, "responses": _configs()}
    found |= {path: {"get": config} for path in routes.CONFIGS}
    key = {"name": "writeKey", "in": "path", "required": True, "schema": {"type": "string"}}
    settings = {"summary": "The settings of Segment's web SDK", "parameters": [key], "responses": _configs()}
    found["/v1/projects/{writeKey}/settings"] = {"get": settings}
    return found


def _takes(body: Described) -> Described:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}


def _pixel(name: str) -> Described:
    names = ("userId", "anonymousId", "event")
    return {
        "summary": f"One {name} event, from an image",
        "description": "at least one of userId and anonymousId",
        "security": _QUERY,
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": _responses(_IMAGE, refused=_IMAGE),
    }


def _responses(stored: Described, refused: Described = _TEXT) -> Described:
    found = {"200": _answer("stored, and committed", stored)}
    found |= {status: _answer(what, refused) for status, what in _REFUSALS.items()}
    return found | {status: _answer(what, refused) | {"headers": _RETRY} for status, what in _LATER.items()}


def _configs() -> Described:
    return {
        "200": _answer("as SDKs read it", {"application/json": {"schema": {"type": "object"}}}),
        "400": _answer("a write key that nobody has", _TEXT),
        "401": _answer("no write key", _TEXT),
        "503": _answer(_LATER["503"], _TEXT) | {"headers": _RETRY},
    }


def _answer(what: str, content: Described) -> Described:
    return {"description": what, "content": content}
