"""/deliveries, /dead-letters and attempts: the rows of events that are not simply delivered or pending."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from destinations import letters
from destinations.api.base import ApiView, Scope
from destinations.api.events import RangeQuery, TryOut
from destinations.api.paging import MOST_ID, IdQuery, asked, page, row_or_404, rows_after
from destinations.api.shapes import MomentField, StrictText
from destinations.api.writing import paged
from destinations.models import Attempt, Delivery


class DeliveryOut(serializers.Serializer[Any]):
    """An event owed to a connection that has a row."""

    id = serializers.IntegerField()
    connection_id = serializers.IntegerField()
    source = serializers.CharField(source="connection.source.name")  # type: ignore[assignment]
    destination = serializers.CharField(source="connection.destination.name")
    replay = serializers.IntegerField(help_text="id of the replay whose row it is; 0: none")
    message_id = serializers.CharField()
    user_key = serializers.CharField()
    place = serializers.SerializerMethodField(help_text="names the event in this API")
    state = serializers.ChoiceField(Delivery.State.choices)
    reason = serializers.CharField()
    attempts = serializers.IntegerField()
    first_failed_at = MomentField(allow_null=True)
    next_attempt_at = MomentField(allow_null=True)
    created_at = MomentField()
    updated_at = MomentField()

    def get_place(self, row: Delivery) -> str:
        return f"{row.connection.source_id}-{row.lane}-{row.xid}-{row.position}"


class LetterOut(DeliveryOut):
    """A delivery with what a dead letter keeps. Secrets are masked, the answer is capped."""

    payload = serializers.CharField(allow_null=True, help_text="the event as accepted, JSON text")
    request = serializers.DictField(allow_null=True)
    response = serializers.DictField(allow_null=True)


class AttemptOut(TryOut):
    """One attempt; texts are masked and capped."""

    id = serializers.IntegerField()


class LetterQuery(IdQuery, RangeQuery):
    """Of a destination, a reason, a time (of the last change)."""

    destination = serializers.IntegerField(
        min_value=0, max_value=MOST_ID, required=False, help_text="id of a destination"
    )
    reason = StrictText(max_length=2000, min_length=1, required=False, help_text="the whole reason, such as `HTTP 400`")


class DeliveryQuery(LetterQuery):
    """In a state."""

    state = serializers.ChoiceField(Delivery.State.choices, required=False)
    replay = serializers.IntegerField(
        min_value=0, max_value=MOST_ID, default=0, help_text="id of a replay: its own rows; 0: the live ones"
    )


class DeliveriesView(ApiView):
    """Failed, waiting and aborted events, and what became of them, newest first."""

    scopes = {"GET": Scope.EVENTS_READ}

    @extend_schema(operation_id="list_deliveries", parameters=[DeliveryQuery], responses=paged(DeliveryOut))
    def get(self, request: Request) -> Response:
        query = asked(request, DeliveryQuery)
        rows, cursor = _page(query, query.get("state"))
        return Response(page(DeliveryOut(rows, many=True).data, cursor))


class DeadLettersView(ApiView):
    """Aborted events with payload, last request and last answer, newest first."""

    scopes = {"GET": Scope.EVENTS_READ}

    @extend_schema(operation_id="list_dead_letters", parameters=[LetterQuery], responses=paged(LetterOut))
    def get(self, request: Request) -> Response:
        rows, cursor = _page(asked(request, LetterQuery), Delivery.State.ABORTED.value)
        return Response(page(LetterOut(rows, many=True).data, cursor))


class DeliveryView(ApiView):
    """One delivery."""

    scopes = {"GET": Scope.EVENTS_READ}

    @extend_schema(operation_id="get_delivery", responses=LetterOut)
    def get(self, _request: Request, pk: int) -> Response:
        return Response(LetterOut(_delivery(pk)).data)


class AttemptsView(ApiView):
    """The attempts of a delivery, newest first."""

    scopes = {"GET": Scope.EVENTS_READ}

    @extend_schema(operation_id="list_attempts", parameters=[IdQuery], responses=paged(AttemptOut))
    def get(self, request: Request, pk: int) -> Response:
        row = _delivery(pk)
        rows = Attempt.objects.filter(
            connection=row.connection_id, xid=row.xid, position=row.position, replay=row.replay
        )
        found, cursor = rows_after(rows, asked(request, IdQuery), newest_first=True)
        return Response(page(AttemptOut(found, many=True).data, cursor))


def _page(query: dict[str, Any], state: str | None) -> tuple[list[Delivery], str | None]:
    chosen = letters.Chosen(
        destination_id=query.get("destination"),
        source_id=query.get("source"),
        state=state,
        reason=query.get("reason"),
        since=query.get("since"),
        until=query.get("until"),
        replay=query.get("replay", 0),
    )
    rows = letters.page(chosen, query["limit"] + 1, query.get("cursor"))
    shown = rows[: query["limit"]]
    return shown, str(shown[-1].pk) if len(rows) > len(shown) else None


def _delivery(pk: int) -> Delivery:
    rows = Delivery.objects.select_related("connection__source", "connection__destination")
    found: Delivery = row_or_404(rows, pk, "delivery")
    return found
