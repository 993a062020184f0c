"""/status and /mode: the deployment at one instant, and what it does now."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import modes
from alerts.models import Mode, ModeChange
from destinations import status
from destinations.api.base import ApiView, Scope
from destinations.api.paging import IdQuery, asked, page, rows_after
from destinations.api.shapes import NOT_BLANK, MomentField, Shape, StrictText
from destinations.api.writing import body, paged


class ModeOut(serializers.Serializer[Any]):
    """What the service does now, since when, why and who said so."""

    mode = serializers.ChoiceField(Mode.Value.choices)
    since = MomentField()
    reason = serializers.CharField()
    actor = serializers.CharField()
    stored = serializers.ChoiceField(Mode.Value.choices)
    forced = serializers.BooleanField(help_text="RSERVER_MODE says what the service does, whatever is stored")


class ModeWanted(Shape):
    """normal forwards events, degraded accepts and stores them only."""

    mode = serializers.ChoiceField(Mode.Value.choices)
    reason = StrictText(NOT_BLANK, max_length=1000)


class ModeChangeOut(serializers.Serializer[Any]):
    """One change of mode."""

    id = serializers.IntegerField()
    at = MomentField()
    from_mode = serializers.CharField()
    to_mode = serializers.CharField()
    reason = serializers.CharField()
    actor = serializers.CharField()


class StatusOut(serializers.Serializer[Any]):
    """As `manage.py status --json` prints it."""

    mode = serializers.DictField()
    recovery = serializers.DictField()
    processes = serializers.ListField(child=serializers.DictField())
    destinations = serializers.ListField(child=serializers.DictField())
    connections = serializers.ListField(child=serializers.DictField())
    incidents = serializers.ListField(child=serializers.DictField())
    retention = serializers.DictField()


class StatusView(ApiView):
    """Mode, processes, destinations, and where the events of every connection are."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="get_status", responses=StatusOut)
    def get(self, request: Request) -> Response:
        asked(request, Shape)
        return Response(status.snapshot())


class ModeView(ApiView):
    """The service mode."""

    scopes = {"GET": Scope.READ, "POST": Scope.MODE_WRITE}

    @extend_schema(operation_id="get_mode", responses=ModeOut)
    def get(self, request: Request) -> Response:
        asked(request, Shape)
        return Response(ModeOut(modes.current()).data)

    @extend_schema(operation_id="set_mode", request=ModeWanted, responses=ModeOut)
    def post(self, request: Request) -> Response:
        values = body(request, ModeWanted)
        modes.set_mode(values["mode"], values["reason"].strip(), self.actor)
        return Response(ModeOut(modes.current()).data)


class ModeHistoryView(ApiView):
    """Changes of mode, newest first."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="list_mode_changes", parameters=[IdQuery], responses=paged(ModeChangeOut))
    def get(self, request: Request) -> Response:
        rows, cursor = rows_after(ModeChange.objects.all(), asked(request, IdQuery), newest_first=True)
        return Response(page(ModeChangeOut(rows, many=True).data, cursor))
