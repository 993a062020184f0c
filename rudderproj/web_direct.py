"""Views that run without Django's middleware and signals: ingest and probes.

Sessions, CSRF and the host check belong to pages for people. An SDK or a probe may use any host name, and a 400 for
one would make SDKs drop events. It also halves what a request costs. Must never be used for a view that reads a
session, answers with HTML or keeps a database connection of its thread in use.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from rudderproj.web_hooks import wait_of

View = Callable[..., HttpResponse]
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


def _not_found(_request: HttpRequest) -> HttpResponse:
    """Of a public web process: no page of Django's, which would go through middleware and tell what this is."""
    return HttpResponse("not found", status=404, content_type="text/plain")


class DirectRequest(WSGIRequest):
    """A request whose Content-Type is not parsed: direct views do not go by it."""

    def _set_content_type_params(self, _meta: dict[str, Any]) -> None:
        self.content_type = ""
        self.content_params = {}


class DirectBody(list[bytes]):
    """The body of a direct view's answer; closing it sends no signal, since none was sent at the start."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response)
        self.rudderproj_wait = wait_of(response)


class DirectHandler(WSGIHandler):
    """Django's WSGI application, with a short way to direct views."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        view = _direct_view(environ["PATH_INFO"])
        if view is None:
            if settings.ENV["PUBLIC_ONLY"]:
                view = _not_found
            else:
                return super().__call__(environ, start_response)
        response = view(DirectRequest(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return DirectBody(response)
