"""URLs of the API, without a slash at the end. Its description and the page to browse it are open: no data there."""

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer

from destinations.api import (
    connections,
    crashes,
    deliveries,
    destinations,
    events,
    incidents,
    replays,
    service,
    sources,
    trials,
)
from destinations.api.base import ApiView
from destinations.api.problems import MEDIA_TYPE, problem


class OpenApiJson(JSONRenderer):
    """OpenAPI as plain JSON."""

    media_type = "application/json"


def nowhere(_request: HttpRequest) -> JsonResponse:
    """Any other path: an error in the API's form instead of a page."""
    error = NotFound("there is no such path in this API")
    return JsonResponse(problem(error), status=error.status_code, content_type=MEDIA_TYPE)


def _at(route: str, view: type[ApiView]) -> URLPattern:
    return path(f"api/v1/{route}", view.as_view())


SCHEMA = SpectacularAPIView.as_view(renderer_classes=[OpenApiJson], authentication_classes=[], permission_classes=[])
# Its script comes from a URL of its own: no page runs inline scripts (rudderproj.web_headers).
DOCS = SpectacularSwaggerSplitView.as_view(url_name="api-schema", authentication_classes=[], permission_classes=[])

operations = [
    _at("status", service.StatusView),
    _at("mode", service.ModeView),
    _at("mode/history", service.ModeHistoryView),
    _at("incidents", incidents.IncidentsView),
    _at("incidents/<int:pk>", incidents.IncidentView),
    _at("crashes", crashes.CrashesView),
    _at("crashes/<uuid:pk>", crashes.CrashView),
    _at("sources", sources.SourcesView),
    _at("sources/<int:pk>", sources.SourceView),
    _at("sources/<int:pk>/retire", sources.RetireView),
    _at("sources/<int:pk>/restore", sources.RestoreView),
    _at("sources/<int:pk>/rotate-key", sources.RotateKeyView),
    _at("sources/<int:pk>/end-previous-key", sources.EndPreviousKeyView),
    _at("destination-types", connections.TypesView),
    _at("destinations", destinations.DestinationsView),
    _at("destinations/<int:pk>", destinations.DestinationView),
    _at("destinations/<int:pk>/pause", destinations.PauseView),
    _at("destinations/<int:pk>/resume", destinations.ResumeView),
    _at("destinations/<int:pk>/test-events", trials.TestEventsView),
    _at("destinations/<int:pk>/test-events/<int:number>", trials.TestEventView),
    _at("destinations/<int:pk>/actions", destinations.ActionsView),
    _at("connections", connections.ConnectionsView),
    _at("connections/<int:pk>", connections.ConnectionView),
    _at("events", events.EventsView),
    _at("events/<str:place>", events.EventView),
    _at("rejected-events", events.RejectedEventsView),
    _at("deliveries", deliveries.DeliveriesView),
    _at("deliveries/<int:pk>", deliveries.DeliveryView),
    _at("deliveries/<int:pk>/attempts", deliveries.AttemptsView),
    _at("dead-letters", deliveries.DeadLettersView),
    _at("replays", replays.ReplaysView),
    _at("replays/preview", replays.PreviewView),
    _at("replays/<int:pk>", replays.ReplayView),
    _at("replays/<int:pk>/pause", replays.PauseReplayView),
    _at("replays/<int:pk>/resume", replays.ResumeReplayView),
    _at("replays/<int:pk>/cancel", replays.CancelReplayView),
]
urlpatterns = [
    *operations,
    path("api/v1/openapi.json", SCHEMA, name="api-schema"),
    path("api/v1/docs/", DOCS),
    re_path("^api/", csrf_exempt(nowhere)),
]
