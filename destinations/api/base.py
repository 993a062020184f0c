"""What every view of the API shares: tokens, scopes, JSON in and out, a limit per token, one form of error.

Set here and not in Django's settings, because ingest is Django REST Framework too and shares none of it. A browser's
cookies mean nothing here, so there is nothing to forge a request with.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from django.conf import settings
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from destinations.api import tokens
from destinations.api.models import ApiToken
from destinations.api.problems import answer_to
from ingest.rate import Buckets

log = structlog.get_logger(__name__)

Scope = ApiToken.Scope
_buckets = Buckets()


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer SECRET`; `request.auth` is the ApiToken."""

    def authenticate(self, request: Request) -> tuple[None, ApiToken] | None:
        kind, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if kind.lower() != "bearer":
            return None
        token = tokens.find(secret.strip())
        if token is None:
            raise AuthenticationFailed("the token is unknown, expired or revoked")
        return None, token

    def authenticate_header(self, _request: Request) -> str:
        return 'Bearer realm="api"'


class HasScope(BasePermission):
    """The scope that the view asks for by the method; without a token nobody has any."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiToken):
            return False
        if request.method not in view.scopes:  # whatever it is, it will be told that it is not allowed
            return True
        self.message = f"the token lacks the scope {view.scopes[request.method].value}"
        return view.scopes[request.method] in request.auth.scopes


class TokenThrottle(BaseThrottle):
    """API_RATE_LIMIT requests a second for each token, in each web process."""

    waits: float = 0.0

    def allow_request(self, request: Request, _view: APIView) -> bool:
        if isinstance(request.auth, ApiToken):
            self.waits = _buckets.take(request.auth.pk, settings.ENV["API_RATE_LIMIT"])
        return not self.waits

    def wait(self) -> float | None:
        return math.ceil(self.waits)


class AlwaysJson(BaseContentNegotiation):
    """Answers are JSON whatever is asked for."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        kind = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(
        self, _request: Request, renderers: Any, _suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """A view of the API. `scopes` names what each method needs."""

    scopes: ClassVar[Mapping[str, Scope]] = {}
    authentication_classes = (BearerToken,)
    permission_classes = (HasScope,)
    throttle_classes = (TokenThrottle,)
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AlwaysJson

    @property
    def actor(self) -> str:
        """Who asks, for the records of what people did."""
        token: Any = self.request.auth
        return f"token {token.name}"

    def get_exception_handler(self) -> Any:
        return answer_to

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Response:
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "no-store"
        if request.method not in SAFE_METHODS and isinstance(getattr(request, "auth", None), ApiToken):
            log.info(
                "api.written",
                token=request.auth.name,
                method=request.method,
                path=request.path,
                status=final.status_code,
            )
        return final
