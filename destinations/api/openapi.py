"""The API's description: drf-spectacular, with the token scheme and the errors that every operation may answer with.

The page at /api/v1/docs/ loads nothing from elsewhere: the sidecar package brings Swagger UI along.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from destinations.api.problems import MEDIA_TYPE

_PROBLEM = {
    "type": "object",
    "description": "What is wrong (RFC 9457).",
    "properties": {
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string", "description": "path of what is wrong; empty: the whole body"},
                    "message": {"type": "string"},
                },
                "required": ["field", "message"],
            },
        },
    },
    "required": ["status", "title", "detail", "errors"],
}
_RETRY_AFTER = {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}
_ALWAYS = {
    "400": "Something in the body or the query is wrong, or unknown.",
    "401": "No token, or one that is unknown, expired or revoked.",
    "403": "The token lacks the scope.",
    "429": "More requests a second than a token may make.",
    "503": "The database is away, or the service is stopping.",
}
_OF_SOME = {"404": "It is not there.", "409": "It contradicts what is there.", "415": "The body is not JSON."}


class Bearer(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The token scheme."""

    target_class = "destinations.api.base.BearerToken"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # noqa: ARG002 - its name is given
        return {"type": "http", "scheme": "bearer", "description": "`manage.py token create`"}


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook: every operation's errors, and that bodies take no unknown fields."""
    schemas = result["components"].setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    schemas["EventFilterShape"]["maxProperties"] = 1  # allow or deny
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            _close(operation.get("requestBody", {}), schemas)
            told = dict(_ALWAYS)
            if "{" in path or method == "post":
                told["404"] = _OF_SOME["404"]
            if method in ("post", "patch"):
                told |= _OF_SOME
            for status, description in told.items():
                operation["responses"].setdefault(status, _answer(status, description))
    return result


def _close(node: Any, schemas: dict[str, Any]) -> None:
    """Shut every component that a request's body is made of."""
    if isinstance(node, list):
        for inner in node:
            _close(inner, schemas)
    elif isinstance(node, dict):
        for inner in node.values():
            _close(inner, schemas)
        component = schemas.get(str(node.get("$ref", "")).rpartition("/")[2])
        if component and component.get("type") == "object" and "additionalProperties" not in component:
            component["additionalProperties"] = False
            _close(component, schemas)


def _answer(status: str, description: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answer: dict[str, Any] = {"description": description, "content": content}
    return answer | ({"headers": _RETRY_AFTER} if status in ("429", "503") else {})


class Schema(AutoSchema):
    """What the views' docstrings and scopes say, said in the description."""

    def get_description(self) -> str:  # type: ignore[override]
        text = super().get_description()
        scope = getattr(self.view, "scopes", {}).get(self.method)
        return f"{text}\n\nScope: `{scope.value}`." if scope else text
