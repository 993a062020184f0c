"""What ingest says to clients: exact statuses and words, which SDKs rely on, and the CORS headers of every answer.

Owns the texts. Error bodies are plain text, never JSON: some SDKs take an unknown JSON error for a network fault.
"""

from collections.abc import Mapping, Sequence

import orjson
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException

from ingest import routes
from ingest.validate import Refused
from rudderproj.web_hooks import UNAVAILABLE, Answer, retry_after

TEXT = "text/plain; charset=utf-8"
PREFLIGHT_SECONDS = "7200"
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"  # 1x1, transparent
)
PIXEL_HEADERS = {"Content-Type": "image/gif", "Cache-Control": "no-store"}


class Refusal(APIException):
    """An answer other than 200: status, plain text, headers."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        if status in (429, 503) and "Retry-After" not in (headers or {}):
            raise ValueError("an answer that asks to come back says when: Retry-After")
        super().__init__(reason)
        self.status_code = status
        self.reason = reason
        self.headers = headers or {}


def unavailable() -> Refusal:
    """A fault of ours: SDKs keep the events and come back."""
    return Refusal(503, UNAVAILABLE, {"Retry-After": retry_after()})


def ok() -> HttpResponse:
    """Everything was stored. Exactly 200: other successes make some SDKs send again."""
    return HttpResponse(b"OK", content_type=TEXT)


def partly(accepted: int, refused: Sequence[Refused]) -> HttpResponse:
    """A batch with bad events: still 200, or mobile SDKs would send the batch again for ever."""
    rejected = [{"index": r.index, "messageId": r.message_id, "reason": r.reason} for r in refused]
    body = orjson.dumps({"accepted": accepted, "rejected": rejected})
    return HttpResponse(body, content_type="application/json")


def plain(refusal: Refusal) -> HttpResponse:
    """The answer of a refusal."""
    return HttpResponse(refusal.reason, status=refusal.status_code, content_type=TEXT, headers=refusal.headers)


def pixel(status: int, headers: Mapping[str, str]) -> HttpResponse:
    """The image, whatever happened; only the status tells."""
    return HttpResponse(PIXEL, status=status, headers=dict(headers) | PIXEL_HEADERS)


def preflight(request: HttpRequest) -> HttpResponse:
    """Allow whatever headers the client names: retries add some that first attempts lack."""
    response = HttpResponse(content_type=TEXT)
    response["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    response["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    response["Vary"] = "Access-Control-Request-Headers"
    if wanted := request.META.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS"):
        response["Access-Control-Allow-Headers"] = wanted
    return response


def early(path: str, status: int, reason: str) -> Answer | None:
    """The same answers where the web server refuses a request of ours before Django sees it."""
    trimmed = path.rstrip("/")
    if not routes.is_ours(trimmed):
        return None
    headers = CORS | ({"Retry-After": retry_after()} if status == 503 else {})
    is_pixel = trimmed in routes.PIXELS
    headers |= PIXEL_HEADERS if is_pixel else {"Content-Type": TEXT}
    body = PIXEL if is_pixel else reason.encode()
    return Answer(status, [(name.lower(), value) for name, value in headers.items()], body)
