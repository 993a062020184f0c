"""Errors of the API in one form, that of RFC 9457: application/problem+json with status, title, detail and errors.

`errors` names the fields that are wrong. Must never repeat a value that was sent: it may be a secret.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import DataError, InterfaceError, OperationalError, connection
from django.http import Http404
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from rudderproj.web_hooks import UNAVAILABLE, retry_after

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class Conflict(APIException):
    """What was asked for contradicts what is there."""

    status_code = HTTPStatus.CONFLICT
    default_detail = "conflict"


class Unavailable(APIException):
    """The database is away."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = UNAVAILABLE
    wait = int(retry_after())


def answer_to(error: Exception, _context: dict[str, Any]) -> Response | None:
    """The answer to an exception; None for what is our fault: Django answers 500 and logs it."""
    if isinstance(error, Http404):
        error = NotFound()
    elif isinstance(error, PermissionDenied):
        error = Forbidden()
    elif isinstance(error, OperationalError | InterfaceError) and not isinstance(error, DataError):
        log.warning("api.database_away", error=type(error).__name__)
        connection.close()  # the next request of this thread gets a new one
        error = Unavailable()
    if not isinstance(error, APIException):
        return None
    set_rollback()
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return Response(problem(error), status=error.status_code, headers=headers, content_type=MEDIA_TYPE)


def problem(error: APIException) -> dict[str, Any]:
    """The body."""
    title = HTTPStatus(error.status_code).phrase
    if not isinstance(error, ValidationError):
        return {"status": int(error.status_code), "title": title, "detail": str(error.detail), "errors": []}
    errors = [{"field": field, "message": message} for field, message in _flat("", error.detail)]
    detail = "; ".join(f"{e['field']}: {e['message']}" if e["field"] else e["message"] for e in errors)
    return {"status": int(error.status_code), "title": title, "detail": detail, "errors": errors}


def _flat(path: str, detail: Any) -> Iterator[tuple[str, str]]:
    """{"a": {"b": ["wrong"]}} -> ("a.b", "wrong")."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = "" if name == api_settings.NON_FIELD_ERRORS_KEY else str(name)
            yield from _flat(".".join(filter(None, (path, own))), inner)
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flat(path, inner)
    else:
        yield path, str(detail)
