"""/events and /rejected-events: what was accepted, where it is at every destination, and what was refused."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from destinations import trace
from destinations.api.base import ApiView, Scope
from destinations.api.paging import IdQuery, asked, page, rows_after
from destinations.api.shapes import MomentField, Shape, StrictText
from destinations.api.writing import paged
from destinations.fate import State
from ingest.history import Asked, Place
from ingest.models import RejectedEvent

MOST_EVENTS = 100
PLACE = r"^\d{1,18}-\d{1,9}$"
_MOST_TEXT = 2000


class TryOut(serializers.Serializer[Any]):
    """One attempt; texts are masked and capped."""

    at = MomentField()
    status = serializers.IntegerField(allow_null=True, help_text="null: no answer")
    outcome = serializers.CharField()
    error = serializers.CharField()
    response = serializers.CharField()
    duration_ms = serializers.IntegerField()


class ReplayedOut(serializers.Serializer[Any]):
    """What came of sending the event again; a replay's success at the first attempt leaves no trace."""

    replay_id = serializers.IntegerField()
    state = serializers.CharField()
    reason = serializers.CharField()
    attempts = serializers.IntegerField()
    next_attempt_at = MomentField(allow_null=True)


class FateOut(serializers.Serializer[Any]):
    """What became of an event at one connection."""

    connection_id = serializers.IntegerField()
    destination_id = serializers.IntegerField()
    destination = serializers.CharField()
    type = serializers.CharField()
    state = serializers.ChoiceField([(state.value, state.value) for state in State])
    reason = serializers.CharField(help_text="as stored")
    detail = serializers.CharField(help_text="a sentence for people")
    inferred = serializers.BooleanField(help_text="told from today's configuration, which may have been another then")
    delivery_id = serializers.IntegerField(allow_null=True)
    attempts = serializers.IntegerField()
    first_failed_at = MomentField(allow_null=True)
    next_attempt_at = MomentField(allow_null=True)
    settled_at = MomentField(allow_null=True)
    tries = TryOut(many=True)
    replays = ReplayedOut(many=True)


class EventOut(serializers.Serializer[Any]):
    """An accepted event, with its fates."""

    place = serializers.CharField(source="event.place", help_text="names it in this API")
    source_id = serializers.IntegerField(source="event.source_id")
    source = serializers.CharField(source="event.source")  # type: ignore[assignment]
    message_id = serializers.CharField(source="event.message_id")
    user_key = serializers.CharField(source="event.user_key")
    received_at = MomentField(source="event.received_at", allow_null=True)
    in_log = serializers.BooleanField(source="event.in_log", help_text="false: only its dead letter is left")
    payload = serializers.JSONField(source="event.content", allow_null=True)
    destinations = FateOut(source="fates", many=True)


class RejectedOut(serializers.Serializer[Any]):
    """An event that was not accepted."""

    id = serializers.IntegerField()
    source_id = serializers.IntegerField()
    received_at = MomentField()
    message_id = serializers.CharField()
    reason = serializers.CharField()
    payload = serializers.CharField(help_text="as it was sent, as far as it was kept")


class RangeQuery(Shape):
    """Of a source, of a range of time."""

    source = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, help_text="id of a source")  # type: ignore[assignment]
    since = MomentField(required=False, help_text="the first moment")
    until = MomentField(required=False, help_text="the last moment")


class EventQuery(RangeQuery):
    """With a message id all events that have it; otherwise a walk through the log, newest first."""

    message_id = StrictText(max_length=_MOST_TEXT, min_length=1, required=False)
    user = StrictText(max_length=_MOST_TEXT, min_length=1, required=False, help_text="a user key")
    limit = serializers.IntegerField(min_value=1, max_value=MOST_EVENTS, default=50)
    cursor = serializers.RegexField(PLACE, required=False, help_text="`next` of the page before")


class RejectedQuery(IdQuery, RangeQuery):
    """Rejected events, newest first."""

    message_id = StrictText(max_length=_MOST_TEXT, min_length=1, required=False)


class EventsView(ApiView):
    """Where is my event? Looking for a user's events, a page may be empty and still have a next one."""

    scopes = {"GET": Scope.EVENTS_READ}

    @extend_schema(operation_id="list_events", parameters=[EventQuery], responses=paged(EventOut))
    def get(self, request: Request) -> Response:
        query = asked(request, EventQuery)
        if "message_id" in query:
            found = trace.by_message_id(query["message_id"], query.get("source"))
        else:
            wanted = Asked(query.get("source"), query.get("user"), query.get("since"), query.get("until"))
            found = trace.walk(wanted, query["limit"], _place(query.get("cursor")))
        cursor = "-".join(map(str, found.next_before)) if found.next_before else None
        return Response(page(EventOut(found.events, many=True).data, cursor))


class EventView(ApiView):
    """One event of the log."""

    scopes = {"GET": Scope.EVENTS_READ}

    @extend_schema(operation_id="get_event", responses=EventOut)
    def get(self, _request: Request, place: str) -> Response:
        found = trace.by_place(place)
        if found is None:
            raise NotFound("there is no such event in the log")
        return Response(EventOut(found).data)


class RejectedEventsView(ApiView):
    """What was refused, and why."""

    scopes = {"GET": Scope.EVENTS_READ}

    @extend_schema(operation_id="list_rejected_events", parameters=[RejectedQuery], responses=paged(RejectedOut))
    def get(self, request: Request) -> Response:
        query = asked(request, RejectedQuery)
        lookups = {
            "source": "source_id",
            "message_id": "message_id",
            "since": "received_at__gte",
            "until": "received_at__lte",
        }
        chosen = {lookup: query[name] for name, lookup in lookups.items() if name in query}
        rows, cursor = rows_after(RejectedEvent.objects.filter(**chosen), query, newest_first=True)
        return Response(page(RejectedOut(rows, many=True).data, cursor))


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    xid, _, position = cursor.partition("-")
    return int(xid), int(position)
