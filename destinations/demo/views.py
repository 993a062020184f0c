"""The demo page and the SDK's file, as its npm package has it. All 404 unless INBOX_ENABLED.

Must never ask another host for anything: without the package the page says so, and how to get it.
"""

from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from destinations.inbox.views import guarded, locked
from destinations.models import Connection
from ingest.models import Source

SDK = Path(__file__).parent / "sdk/node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/esm/index.mjs"
INSTALL = "make web-sdk"


@guarded("GET", "HEAD")
def page(request: HttpRequest) -> HttpResponse:
    """The page, with the write key of a source that is connected to an inbox."""
    source = _source()
    context = {"write_key": source.write_key if source else "", "has_sdk": SDK.exists(), "install": INSTALL}
    return locked(lambda nonce: render(request, "demo/page.html", context | {"nonce": nonce}), "script-src 'self'")


@guarded("GET", "HEAD")
def sdk(_request: HttpRequest) -> HttpResponseBase:
    """The SDK as an ES module."""
    if not SDK.exists():
        return HttpResponse("not installed", status=404, content_type="text/plain")
    return FileResponse(SDK.open("rb"), content_type="text/javascript; charset=utf-8")


def _source() -> Source | None:
    """The first source whose events are shown in the inbox."""
    connection = (
        Connection.objects.filter(
            enabled=True, source__enabled=True, source__retired_at=None, destination__type="inbox"
        )
        .select_related("source")
        .order_by("pk")
        .first()
    )
    return connection.source if connection else None
