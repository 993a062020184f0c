"""URLs of ingest: every path with and without a trailing slash, and no redirects, which would lose a POST's body."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, path, re_path

from ingest import openapi, routes, sdk_views, views
from rudderproj.web_direct import direct


def _at(route: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
    return re_path(f"^{route.removeprefix('/')}/?$", direct(view))


def _patterns(paths: Any, view: type[views.IngestView]) -> list[URLPattern]:
    return [_at(route, view.as_view()) for route in paths]


def _typed(paths: dict[str, str], view: type[views.IngestView]) -> list[URLPattern]:
    return [_at(route, view.as_view(event_type=event_type)) for route, event_type in paths.items()]


urlpatterns = [
    *_typed(routes.EVENTS, views.EventView),
    *_patterns(routes.BATCHES, views.BatchView),
    *_patterns(routes.BEACONS, views.BeaconView),
    *_typed(routes.PIXELS, views.PixelView),
    *_patterns(routes.WEBHOOKS, views.WebhookView),
    *_patterns(routes.DISCARDED, views.DiscardView),
    *_patterns(routes.CONFIGS, sdk_views.ConfigView),
    _at("/v1/projects/[^/]+/settings", sdk_views.SegmentSettingsView.as_view()),
    path("openapi.json", direct(openapi.view)),
]
