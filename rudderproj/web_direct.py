"""Views that run without Django's middleware: ingest and probes.

Sessions, CSRF and the host check belong to pages for people. An SDK or a probe may use any host name, and a 400 for
one would make SDKs drop events. Must never be used for a view that reads a session or answers with HTML.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve

View = Callable[..., HttpResponseBase]
V = TypeVar("V", bound=Callable[..., Any])


def direct(view: V) -> V:
    """Mark a view without URL parameters as one that needs no middleware."""
    view.rudderproj_direct = True  # type: ignore[attr-defined]
    return view


@lru_cache(maxsize=1024)
def _direct_view(path: str) -> View | None:
    try:
        view = resolve(path).func
    except Resolver404:
        return None
    return cast(View, view) if getattr(view, "rudderproj_direct", False) else None


class DirectMiddleware:
    """First in MIDDLEWARE: answers direct views at once, passes everything else on."""

    def __init__(self, get_response: View) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = _direct_view(request.path_info)
        return view(request) if view else self._get_response(request)
