"""/incidents: what people are told of, newest first."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.models import Incident, Notification
from destinations.api.base import ApiView, Scope
from destinations.api.paging import IdQuery, asked, page, row_or_404, rows_after
from destinations.api.shapes import MomentField
from destinations.api.writing import paged

STATES = ("open", "resolved")


class IncidentOut(serializers.Serializer[Any]):
    """Something that people are told of, once, and told of again when it is over."""

    id = serializers.IntegerField()
    key = serializers.CharField(help_text="what makes two reports the same incident")
    kind = serializers.CharField()
    severity = serializers.ChoiceField(Incident.Severity.choices)
    summary = serializers.CharField()
    details = serializers.DictField(help_text="texts and numbers by name")
    opened_at = MomentField()
    updated_at = MomentField(help_text="last seen")
    resolved_at = MomentField(allow_null=True)


class NotificationOut(serializers.Serializer[Any]):
    """What one channel was told, or is still to be told."""

    channel = serializers.CharField()
    action = serializers.ChoiceField(Notification.Action.choices)
    created_at = MomentField()
    attempts = serializers.IntegerField()
    sent_at = MomentField(allow_null=True)
    next_attempt_at = MomentField(allow_null=True, help_text="null: nothing is left to do")
    last_error = serializers.CharField()


class IncidentWithNotifications(IncidentOut):
    """With who was told."""

    notifications = NotificationOut(source="notification_set", many=True)


class IncidentQuery(IdQuery):
    """In a state, of a kind."""

    state = serializers.ChoiceField(STATES, required=False)
    kind = serializers.CharField(max_length=40, required=False)


class IncidentsView(ApiView):
    """Incidents, newest first."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="list_incidents", parameters=[IncidentQuery], responses=paged(IncidentOut))
    def get(self, request: Request) -> Response:
        query = asked(request, IncidentQuery)
        rows = Incident.objects.all()
        if "state" in query:
            rows = rows.filter(resolved_at__isnull=query["state"] == "open")
        if "kind" in query:
            rows = rows.filter(kind=query["kind"])
        shown, cursor = rows_after(rows, query, newest_first=True)
        return Response(page(IncidentOut(shown, many=True).data, cursor))


class IncidentView(ApiView):
    """One incident, and who was told."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="get_incident", responses=IncidentWithNotifications)
    def get(self, _request: Request, pk: int) -> Response:
        rows = Incident.objects.prefetch_related("notification_set__channel")
        return Response(IncidentWithNotifications(row_or_404(rows, pk, "incident")).data)
