"""The two endpoints that SDKs ask for their configuration.

Must never be without an answer while events are accepted, nor tell a browser not to keep it: a page that is loaded
again in an outage begins with the answer that the browser kept, and without one it tracks nothing.
"""

from urllib.parse import unquote

import orjson
from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from ingest import auth, sdk_config
from ingest.views import IngestView


class ConfigView(IngestView):
    """`GET /sourceConfig`, with the key in the header or the query. Costs nothing of the source's rate."""

    throttle_classes = []
    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        source, key = auth.asking(request)
        config = sdk_config.for_rudderstack(source, key, settings.ENV["INSTANCE_ID"])
        # The word that all is over is kept by nobody: taken back, it is forgotten at once.
        return _answer(config, "no-store") if source.is_retired else _kept(config)


class SegmentSettingsView(IngestView):
    """`GET /v1/projects/KEY/settings`, with no other word of who asks."""

    throttle_classes = []
    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        key = unquote(request.path_info.split("/")[3])
        auth.existing(key)
        return _kept(sdk_config.for_segment(key))


def _kept(value: object) -> HttpResponse:
    """An answer that the asking browser keeps, and nobody on the way."""
    return _answer(value, f"private, max-age={settings.ENV['SDK_CONFIG_SECONDS']:.0f}")


def _answer(value: object, keeping: str) -> HttpResponse:
    headers = {"Cache-Control": keeping, "Vary": "Authorization"}
    return HttpResponse(orjson.dumps(value), content_type="application/json; charset=utf-8", headers=headers)
