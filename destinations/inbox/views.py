"""The page, its data, and the address that deliveries are sent to. All 404 unless INBOX_ENABLED."""

import secrets
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from destinations.inbox import store

View = Callable[..., HttpResponseBase]


def guarded(*methods: str) -> Callable[[View], View]:
    """404 where the inbox is off, 405 for other methods; answers are never cached or embedded."""

    def decorate(view: View) -> View:
        @wraps(view)
        def looked_at(request: HttpRequest, **captured: str) -> HttpResponseBase:
            if not settings.ENV["INBOX_ENABLED"]:
                return HttpResponse("not found", status=404, content_type="text/plain")
            if request.method not in methods:
                return HttpResponse(status=405, headers={"Allow": ", ".join(methods)})
            response = view(request, **captured)
            response["Cache-Control"] = "no-store"
            response["X-Content-Type-Options"] = "nosniff"
            return response

        return looked_at

    return decorate


def locked(made: Callable[[str], HttpResponse], scripts: str = "script-src") -> HttpResponse:
    """A page made with a nonce, allowed to run and show what carries it, and to ask this server alone."""
    nonce = secrets.token_urlsafe(16)
    response = made(nonce)
    response["Content-Security-Policy"] = (
        f"default-src 'none'; connect-src 'self'; {scripts} 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response


@guarded("GET", "HEAD")
def page(request: HttpRequest) -> HttpResponse:
    """The live page."""
    return locked(lambda nonce: render(request, "inbox/page.html", {"nonce": nonce}))


@guarded("GET", "HEAD")
def feed(request: HttpRequest) -> HttpResponse:
    """`/inbox.json`: the newest deliveries; `?after=ID` only those that came later."""
    try:
        after = int(request.GET.get("after", "0"))
    except ValueError:
        raise Http404 from None
    if not 0 <= after < 2**63:
        raise Http404
    return HttpResponse(store.newest_as_json(after), content_type="application/json")


@guarded("POST", "PUT", "PATCH", "DELETE", "GET")
def deliver(request: HttpRequest, name: str) -> HttpResponse:
    """Keep one delivery to the destination of that name."""
    store.keep(name[:200], request.headers, request.body)
    return HttpResponse("OK", content_type="text/plain")
