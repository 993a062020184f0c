"""/destinations/ID/test-events: sending a made-up event through a destination's plugin, for real."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from destinations import trial
from destinations.api.base import ApiView, Scope
from destinations.api.paging import IdQuery, asked, page, row_or_404, rows_after
from destinations.api.problems import Unavailable
from destinations.api.shapes import MomentField, Shape
from destinations.api.writing import body, paged
from destinations.doorbell import BROKER_AWAY
from destinations.models import Destination, Trial


class TestEventOut(serializers.Serializer[Any]):
    """A test event. It has been sent, or could not be, once `finished_at` is there. Secrets are masked."""

    id = serializers.IntegerField()
    asked_by = serializers.CharField()
    asked_at = MomentField()
    finished_at = MomentField(allow_null=True)
    outcome = serializers.CharField(help_text="delivered, retry, aborted, refused or unsent; empty: not yet")
    reason = serializers.CharField()
    request = serializers.DictField(allow_null=True)
    response = serializers.DictField(allow_null=True)
    duration_ms = serializers.IntegerField(allow_null=True)


class TestEventsView(ApiView):
    """The last test events of a destination. Also a paused or held one is sent to; nothing counts them."""

    scopes = {"GET": Scope.READ, "POST": Scope.DESTINATIONS_WRITE}

    @extend_schema(operation_id="list_test_events", parameters=[IdQuery], responses=paged(TestEventOut))
    def get(self, request: Request, pk: int) -> Response:
        _destination(pk)
        query = asked(request, IdQuery)
        rows, cursor = rows_after(Trial.objects.filter(destination=pk), query, newest_first=True)
        return Response(page(TestEventOut(rows, many=True).data, cursor))

    @extend_schema(operation_id="send_test_event", request=Shape, responses={202: TestEventOut})
    def post(self, request: Request, pk: int) -> Response:
        body(request, Shape)
        try:
            made = trial.ask(_destination(pk), self.actor)
        except BROKER_AWAY:
            raise Unavailable("the broker is away: no worker can be asked") from None
        return Response(TestEventOut(made).data, status=202)


class TestEventView(ApiView):
    """One test event: ask again until it has finished."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="get_test_event", responses=TestEventOut)
    def get(self, _request: Request, pk: int, number: int) -> Response:
        found = row_or_404(Trial.objects.filter(destination=pk), number, "test event")
        return Response(TestEventOut(found).data)


def _destination(pk: int) -> Destination:
    found: Destination = row_or_404(Destination.objects.all(), pk, "destination")
    return found
