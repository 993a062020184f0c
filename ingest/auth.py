"""Who sends: the write key of a request, the source behind it, and how often that source may send.

DRF authentication and throttling. Must never say that a key is wrong unless the database just said so: SDKs drop
their events, and some stop for good.
"""

import base64
import binascii
import math
from functools import lru_cache
from urllib.parse import parse_qs

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from ingest.answers import Refusal, unavailable
from ingest.config import ConfigUnavailable, SourceInfo, sources
from ingest.rate import buckets

NO_KEY_IN_HEADER = "failed to read writekey from header"
NO_KEY_IN_QUERY = "failed to read writekey from query params"
UNKNOWN_KEY = "invalid write key"


class HeaderWriteKey(BaseAuthentication):
    """HTTP Basic: the write key as user name, the password ignored. `request.auth` is the SourceInfo."""

    def authenticate(self, request: Request) -> tuple[None, SourceInfo]:
        key = _basic_user(request.META.get("HTTP_AUTHORIZATION", ""))
        if not key:
            raise Refusal(401, NO_KEY_IN_HEADER)
        return None, source_of(key)


class QueryWriteKey(BaseAuthentication):
    """`?writeKey=`, for beacons and images, which cannot set headers."""

    def authenticate(self, request: Request) -> tuple[None, SourceInfo]:
        key = _query_key(request)
        if not key:
            raise Refusal(401, NO_KEY_IN_QUERY)
        return None, source_of(key)


class AnyWriteKey(BaseAuthentication):
    """Either, the query first."""

    def authenticate(self, request: Request) -> tuple[None, SourceInfo]:
        kind = QueryWriteKey if _query_key(request) else HeaderWriteKey
        return kind().authenticate(request)


class SourceThrottle(BaseThrottle):
    """The source's own limit."""

    def allow_request(self, request: Request, _view: APIView) -> bool:
        source = request.auth
        if not isinstance(source, SourceInfo) or not source.rate_limit:
            return True
        if wait := buckets.take(source.id, source.rate_limit):
            raise Refusal(429, "max requests limit reached", {"Retry-After": str(math.ceil(wait))})
        return True


def source_of(write_key: str) -> SourceInfo:
    """The enabled source of a key. Raises Refusal."""
    source = _known(write_key)
    if source is None:
        raise Refusal(401, UNKNOWN_KEY)
    if not source.enabled:
        raise Refusal(404, "source is disabled")
    return source


def existing(write_key: str) -> SourceInfo:
    """The source of a key, also one that is switched off, for who asks for its configuration. Raises Refusal.

    400 and not 401 for an unknown key: what mobile SDKs take for the final word on it.
    """
    source = _known(write_key)
    if source is None:
        raise Refusal(400, UNKNOWN_KEY)
    return source


def asking(request: Request) -> tuple[SourceInfo, str]:
    """Whose configuration is asked for, and by which key: in the header, else in the query. Raises Refusal."""
    key = _basic_user(request.META.get("HTTP_AUTHORIZATION", "")) or _query_key(request)
    if not key:
        raise Refusal(401, NO_KEY_IN_HEADER)
    return existing(key), key


def _known(write_key: str) -> SourceInfo | None:
    try:
        return sources.get(write_key)
    except ConfigUnavailable:
        raise unavailable() from None


@lru_cache(maxsize=1024)
def _basic_user(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def _query_key(request: Request) -> str:
    query: str = request.META.get("QUERY_STRING", "")
    return parse_qs(query).get("writeKey", [""])[0]
