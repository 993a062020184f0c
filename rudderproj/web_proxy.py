"""What proxies say of a request, believed only from those we trust (TRUSTED_PROXIES).

Owns the `X-Forwarded-*` headers of pages for people; ingest judges the client's address by itself. Must never let a
client decide that its request came by https, or under another host name.
"""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from rudderproj.address import Network, client_address, is_trusted

_SAID = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PORT")


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


def trusted() -> tuple[Network, ...]:
    """The networks of TRUSTED_PROXIES."""
    return _networks(tuple(settings.ENV["TRUSTED_PROXIES"]))


def address_of(request: HttpRequest) -> str:
    """The client's address, seen through trusted proxies; empty when there is none."""
    meta = request.META
    return client_address(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""), trusted())


def believe_proxies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware, the first of all: drops what nobody trusted has said."""

    def middleware(request: HttpRequest) -> HttpResponse:
        meta = request.META
        if not is_trusted(meta.get("REMOTE_ADDR", ""), trusted()):
            for name in _SAID:
                meta.pop(name, None)
        elif proto := meta.get("HTTP_X_FORWARDED_PROTO"):
            # A proxy that appends leaves in front what the client wrote.
            meta["HTTP_X_FORWARDED_PROTO"] = proto.rpartition(",")[2].strip()
        return get_response(request)

    return middleware
