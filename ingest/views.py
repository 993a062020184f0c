"""The ingest API: each request decoded, judged and stored before it is answered.

Owns the order of the steps. Must never answer 200 before the log has committed, or blame a client for our faults.
"""

import ipaddress
import uuid
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error
from django.http import HttpResponse, UnreadablePostError
from rest_framework.request import Request
from rest_framework.views import APIView

from ingest import answers, auth, conversions, log
from ingest.config import SourceInfo
from ingest.decode import TOO_LARGE, BodyError, decode, inflate
from ingest.validate import BatchError, Reception, Validator, Verdict, format_time
from rudderproj.address import client_address
from rudderproj.web_hooks import Wait, answer_after

logger = structlog.get_logger(__name__)

_MAX_BYTES: int = settings.ENV["INGEST_MAX_BODY_BYTES"]
_COMMIT_SECONDS: float = settings.ENV["INGEST_COMMIT_TIMEOUT_SECONDS"]
_TRUSTED = [ipaddress.ip_network(network) for network in settings.ENV["TRUSTED_PROXIES"]]


def _new_id() -> str:
    return str(uuid.uuid4())


_validator = Validator(_new_id, settings.ENV["INGEST_MAX_DEPTH"])


class IngestView(APIView):
    """What all routes share: CORS, plain-text errors, and no content negotiation, which SDKs do not take part in."""

    throttle_classes = [auth.SourceThrottle]
    authentication_classes = [auth.HeaderWriteKey]
    http_method_names = ["get", "post", "options"]
    event_type: str | None = None
    _wait: Wait | None = None

    def initial(self, request: Request, *_args: Any, **_kwargs: Any) -> None:
        if request.method == "OPTIONS":
            return
        method = str(request.method).lower()
        if method not in self.http_method_names or not hasattr(self, method):
            raise answers.Refusal(405, "method not allowed", {"Allow": ", ".join(self.allowed_methods)})
        self.perform_authentication(request)
        self.check_throttles(request)

    # DRF's stubs ask for its own Response; any HttpResponse does, and costs no rendering.
    def options(self, request: Request) -> HttpResponse:  # type: ignore[override]
        return answers.preflight(request._request)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        return answers.plain(self.refusal_of(exc))

    def refusal_of(self, exc: Exception) -> answers.Refusal:
        """The answer to a failure; one that nobody foresaw is logged."""
        match exc:
            case answers.Refusal():
                return exc
            case BodyError():
                return answers.Refusal(exc.status, exc.reason)
            case BatchError():
                return answers.Refusal(400, str(exc))
            case log.LogUnavailable() | TimeoutError():  # the latter: the log does not even say no
                return answers.unavailable()
            case Error():
                logger.error("request.database_failed", exc_info=exc)
                return answers.unavailable()
            case RequestDataTooBig():
                return answers.Refusal(413, TOO_LARGE)
            case UnreadablePostError():
                return answers.Refusal(400, "request body is incomplete or malformed")
        logger.error("request.failed", exc_info=exc)
        return answers.Refusal(500, "internal server error")

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponse, *_args: Any, **_kwargs: Any
    ) -> HttpResponse:
        if request.method != "OPTIONS":
            response = self.shaped(response)
        for name, value in answers.CORS.items():
            response[name] = value
        if self._wait is None:
            return response
        wait, self._wait = self._wait, None
        return answer_after(request._request, response, wait, _COMMIT_SECONDS + 1)

    def store(self, request: Request, verdict: Verdict) -> None:
        """Have the verdict stored; the answer that the view returns is held back until it is."""
        weight = sum(len(event.payload) for event in verdict.events)
        self._wait = Wait(
            log.submit(verdict.events, verdict.rejections),
            lambda error: self.finalize_response(request, self.handle_exception(error)),
            weight,
        )

    def store_one(self, request: Request, verdict: Verdict) -> HttpResponse:
        """Store and answer what a single-event route judged."""
        self.store(request, verdict)
        for refused in verdict.refused:
            return answers.plain(answers.Refusal(400, refused.reason))
        return answers.ok()

    def store_batch(self, request: Request, verdict: Verdict) -> HttpResponse:
        """Store and answer what a batch route judged."""
        self.store(request, verdict)
        return answers.partly(len(verdict.events), verdict.refused) if verdict.refused else answers.ok()

    def shaped(self, response: HttpResponse) -> HttpResponse:
        """The form in which this route's clients take an answer."""
        return response

    def reception(self, request: Request) -> Reception:
        source, meta = request.auth, request._request.META  # DRF's proxy is slow
        if not isinstance(source, SourceInfo):
            raise TypeError("not authenticated")
        address = client_address(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""), _TRUSTED)
        return Reception(source, datetime.now(UTC), address, meta.get("HTTP_SENTAT"), self.event_type)

    def decoded(self, request: Request) -> Any:
        plain_request = request._request
        return decode(plain_request.body, plain_request.META.get("HTTP_CONTENT_ENCODING", ""), _MAX_BYTES)


class EventView(IngestView):
    """One event, its type named by the route."""

    def post(self, request: Request) -> HttpResponse:
        return self.store_one(request, _validator.one(self.decoded(request), self.reception(request)))


class BatchView(IngestView):
    """`{"batch": [...]}`, each event naming its type."""

    def post(self, request: Request) -> HttpResponse:
        return self.store_batch(request, _validator.batch(self.decoded(request), self.reception(request)))


class BeaconView(BatchView):
    """A batch sent as a page closes: no headers, so the key is in the query."""

    authentication_classes = [auth.QueryWriteKey]


class PixelView(IngestView):
    """An event in the query of an image."""

    authentication_classes = [auth.QueryWriteKey]

    def get(self, request: Request) -> HttpResponse:
        reception = self.reception(request)
        event = conversions.from_query(
            request.META["QUERY_STRING"], str(self.event_type), format_time(reception.received_at)
        )
        return self.store_one(request, _validator.one(event, reception))

    def shaped(self, response: HttpResponse) -> HttpResponse:
        return answers.pixel(response.status_code, dict(response.items()))


class WebhookView(IngestView):
    """Whatever another product posts or asks, as track events."""

    authentication_classes = [auth.AnyWriteKey]
    event_type = "track"

    def get(self, request: Request) -> HttpResponse:
        return self._store(request, conversions.first_values(request.META["QUERY_STRING"]))

    def post(self, request: Request) -> HttpResponse:
        meta = request.META
        body = inflate(request.body, meta.get("HTTP_CONTENT_ENCODING", ""), _MAX_BYTES)
        return self._store(request, conversions.webhook_value(body, meta.get("CONTENT_TYPE", "")))

    def _store(self, request: Request, value: Any) -> HttpResponse:
        events = conversions.from_webhook(value, _new_id)
        return self.store_batch(request, _validator.batch({"batch": events}, self.reception(request)))


class DiscardView(IngestView):
    """What SDKs send about themselves: accepted and forgotten, without a key."""

    authentication_classes = []

    def post(self, _request: Request) -> HttpResponse:
        return answers.ok()
