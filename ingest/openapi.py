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
_EITHER: list[Described] = [*_BASIC, *_QUERY]
_NOBODY: list[Described] = [{}]

_RETRY = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "required": True, "description": "seconds"}}
_ID = {"type": ["string", "number", "boolean", "null"], "description": "kept as a string"}
_EVENT: Described = {
    "type": "object",
    "properties": {
        "type": {"enum": sorted(set(routes.EVENTS.values())), "description": "the route's goes before it"},
        "messageId": {"type": "string", "description": "made up when missing; a second one of it is dropped"},
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
_JSON: Described = {"application/json": {"schema": {"type": "object"}}}
_STORED = "stored, and committed"
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
    batch = _operation("Several events", _BASIC, {**_TEXT, "application/json": {"schema": _REJECTED}}, _BATCH)
    found: Described = {}
    for path, name in routes.EVENTS.items():
        found[path] = {"post": _operation(f"One {name} event", _BASIC, _TEXT, _EVENT)}
    found |= {path: {"post": batch} for path in routes.BATCHES}
    found |= {path: {"post": batch | {"security": _QUERY}} for path in routes.BEACONS}
    for path, name in routes.PIXELS.items():
        found[path] = {"get": _pixel(f"One {name} event, from an image")}
    found |= {path: _webhook() for path in routes.WEBHOOKS}
    thanks = _operation("Taken and forgotten", _NOBODY, _TEXT, {})
    found |= {path: {"post": thanks | {"responses": {"200": _answer("ignored", _TEXT)}}} for path in routes.DISCARDED}
    found |= {path: {"get": _config("The configuration of an SDK", _EITHER)} for path in routes.CONFIGS}
    found["/v1/projects/{writeKey}/settings"] = {
        "parameters": [{"name": "writeKey", "in": "path", "required": True, "schema": {"type": "string"}}],
        "get": _config("The settings of Segment's web SDK", _NOBODY),
    }
    return found


def _operation(summary: str, security: list[Described], stored: Described, body: Described) -> Described:
    responses = {"200": _answer(_STORED, stored)}
    responses |= {status: _answer(what, _TEXT) for status, what in _REFUSALS.items()}
    responses |= {status: _answer(what, _TEXT) | {"headers": _RETRY} for status, what in _LATER.items()}
    content = {"application/json": {"schema": body}}
    return {
        "summary": summary,
        "security": security,
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }


def _pixel(summary: str) -> Described:
    of_image = _operation(summary, _QUERY, _IMAGE, {})
    for answer in of_image["responses"].values():
        answer["content"] = _IMAGE
    del of_image["requestBody"]
    of_image["parameters"] = [
        {"name": name, "in": "query", "schema": {"type": "string"}} for name in ("userId", "event")
    ]
    return of_image


def _webhook() -> Described:
    stored = {**_TEXT, "application/json": {"schema": _REJECTED}}
    post = _operation("Whatever another product posts, as track events", _EITHER, stored, {})
    get = {name: value for name, value in post.items() if name != "requestBody"}
    return {"post": post, "get": get | {"summary": "The same from a query"}}


def _config(summary: str, security: list[Described]) -> Described:
    responses = {"200": _answer("as SDKs read it", _JSON)}
    responses |= {status: _answer("no such write key", _TEXT) for status in ("400", "401", "404")}
    responses["503"] = _answer(_LATER["503"], _TEXT) | {"headers": _RETRY}
    return {"summary": summary, "security": security, "responses": responses}


def _answer(what: str, content: Described) -> Described:
    return {"description": what, "content": content}
