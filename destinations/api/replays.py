"""/replays: sending events of the log, or dead letters, again."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from destinations.api.base import ApiView, Scope
from destinations.api.paging import MOST_ID, IdQuery, asked, page, row_or_404
from destinations.api.problems import Conflict
from destinations.api.shapes import MOST_INTEGER, MomentField, Shape, StrictInteger, StrictText
from destinations.api.writing import body, paged
from destinations.models import Destination, Replay
from destinations.replay import progress, steer
from destinations.replay.create import create, preview
from destinations.replay.selection import MOST_PICKS, BadSelection, NothingToReplay, Selection
from ingest.models import Source

_MOST_TEXT = 2000


class ReplayActionOut(serializers.Serializer[Any]):
    """Who did what to it."""

    action = serializers.CharField()
    actor = serializers.CharField()
    at = MomentField()


class ReplayOut(serializers.Serializer[Any]):
    """A replay with its progress: its own numbers, apart from its connections'."""

    id = serializers.IntegerField()
    destination = serializers.CharField()
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    state = serializers.ChoiceField(Replay.State.choices)
    origin = serializers.ChoiceField(Replay.Origin.choices)
    since = MomentField(allow_null=True)
    until = MomentField(allow_null=True)
    event = serializers.CharField()
    user_key = serializers.CharField()
    reason = serializers.CharField()
    picked = serializers.IntegerField(allow_null=True)
    rate = serializers.IntegerField(allow_null=True)
    created_at = MomentField()
    created_by = serializers.CharField()
    ended_at = MomentField(allow_null=True)
    total = serializers.IntegerField(help_text="events to look at")
    total_is_exact = serializers.BooleanField()
    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    waiting = serializers.IntegerField()
    aborted = serializers.IntegerField()
    filtered = serializers.IntegerField()
    skipped = serializers.IntegerField()
    unselected = serializers.IntegerField(help_text="looked at, but not what was asked for")
    pending = serializers.IntegerField(help_text="still to be looked at")
    actions = ReplayActionOut(many=True)


class PreviewOut(serializers.Serializer[Any]):
    """How many events a replay would send."""

    events = serializers.IntegerField()
    is_exact = serializers.BooleanField(help_text="false: at most about so many")


class Chosen(Shape):
    """What to send again. What is left out does not narrow it."""

    destination = StrictInteger(min_value=1, max_value=MOST_ID, help_text="id of the destination to send to")
    origin = serializers.ChoiceField(Replay.Origin.choices, default=Replay.Origin.LOG.value)
    source = StrictInteger(  # type: ignore[assignment]
        min_value=1, max_value=MOST_INTEGER, required=False, help_text="id of a source"
    )
    since = MomentField(required=False, help_text="accepted since; of dead letters: aborted since")
    until = MomentField(required=False, help_text="before this")
    event = StrictText(
        min_length=1, max_length=_MOST_TEXT, required=False, help_text="a track's event, or the type of another call"
    )
    user_key = StrictText(min_length=1, max_length=_MOST_TEXT, required=False)
    reason = StrictText(
        min_length=1, max_length=_MOST_TEXT, required=False, help_text="of dead letters: the whole reason"
    )
    message_ids = serializers.ListField(
        child=StrictText(min_length=1, max_length=_MOST_TEXT), min_length=1, max_length=MOST_PICKS, required=False
    )
    delivery_ids = serializers.ListField(
        child=StrictInteger(min_value=1, max_value=MOST_ID),
        min_length=1,
        max_length=MOST_PICKS,
        required=False,
        help_text="of dead letters",
    )


class NewReplay(Chosen):
    """A replay to start."""

    rate = StrictInteger(
        min_value=1, max_value=MOST_INTEGER, allow_null=True, required=False, help_text="attempts a second at most"
    )


class ReplayQuery(IdQuery):
    """Replays to a destination."""

    destination = serializers.IntegerField(
        min_value=0, max_value=MOST_ID, required=False, help_text="id of a destination"
    )


class ReplaysView(ApiView):
    """Replays, newest first."""

    scopes = {"GET": Scope.READ, "POST": Scope.REPLAYS_WRITE}

    @extend_schema(operation_id="list_replays", parameters=[ReplayQuery], responses=paged(ReplayOut))
    def get(self, request: Request) -> Response:
        query = asked(request, ReplayQuery)
        found = progress.newest(query["limit"] + 1, query.get("cursor"), query.get("destination"))
        shown = found[: query["limit"]]
        return Response(
            page(ReplayOut(shown, many=True).data, str(shown[-1]["id"]) if len(found) > len(shown) else None)
        )

    @extend_schema(operation_id="create_replay", request=NewReplay, responses={201: ReplayOut})
    def post(self, request: Request) -> Response:
        values = body(request, NewReplay)
        rate = values.pop("rate", None)
        made = _tried(lambda: create(_selection(values), self.actor, rate))
        return Response(ReplayOut(progress.progress(made.pk)).data, status=201)


class PreviewView(ApiView):
    """How many events a replay would send; changes nothing."""

    scopes = {"POST": Scope.REPLAYS_WRITE}

    @extend_schema(operation_id="preview_replay", request=Chosen, responses=PreviewOut)
    def post(self, request: Request) -> Response:
        values = body(request, Chosen)
        return Response(PreviewOut(_tried(lambda: preview(_selection(values)))).data)


class ReplayView(ApiView):
    """One replay."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="get_replay", responses=ReplayOut)
    def get(self, _request: Request, pk: int) -> Response:
        return Response(_shown(pk))


class _SteerView(ApiView):
    """Changes a replay's state."""

    scopes = {"POST": Scope.REPLAYS_WRITE}
    verb = ""

    def steered(self, request: Request, pk: int, change: Callable[[int, str], bool]) -> Response:
        """The replay after the change. Raises Conflict when its state does not allow it."""
        body(request, Shape)
        row_or_404(Replay.objects.all(), pk, "replay")
        if not change(pk, self.actor):
            raise Conflict(f"the replay is {Replay.objects.get(pk=pk).state}: it cannot be {self.verb}")
        return Response(_shown(pk))


class PauseReplayView(_SteerView):
    """Stop a running replay for now."""

    verb = "paused"

    @extend_schema(operation_id="pause_replay", request=Shape, responses=ReplayOut)
    def post(self, request: Request, pk: int) -> Response:
        return self.steered(request, pk, steer.pause)


class ResumeReplayView(_SteerView):
    """Let a paused replay go on where it stood."""

    verb = "resumed"

    @extend_schema(operation_id="resume_replay", request=Shape, responses=ReplayOut)
    def post(self, request: Request, pk: int) -> Response:
        return self.steered(request, pk, steer.resume)


class CancelReplayView(_SteerView):
    """Stop a replay for good: what is left is not sent."""

    verb = "cancelled"

    @extend_schema(operation_id="cancel_replay", request=Shape, responses=ReplayOut)
    def post(self, request: Request, pk: int) -> Response:
        return self.steered(request, pk, steer.cancel)


def _selection(values: dict[str, Any]) -> Selection:
    """What the body asks for. Raises NotFound for a destination or source that is not there."""
    row_or_404(Destination.objects.all(), values["destination"], "destination")
    if "source" in values:
        row_or_404(Source.objects.all(), values["source"], "source")
    return Selection(
        values["destination"],
        origin=values["origin"],
        source_id=values.get("source"),
        since=values.get("since"),
        until=values.get("until"),
        event=values.get("event", ""),
        user_key=values.get("user_key", ""),
        reason=values.get("reason", ""),
        message_ids=tuple(dict.fromkeys(values.get("message_ids", ()))),
        delivery_ids=tuple(dict.fromkeys(values.get("delivery_ids", ()))),
    )


def _tried(work: Callable[[], Any]) -> Any:
    """The work's result; what is wrong with the selection as an error of the API."""
    try:
        return work()
    except BadSelection as error:
        raise serializers.ValidationError(str(error)) from None
    except NothingToReplay as error:
        raise Conflict(str(error)) from None


def _shown(pk: int) -> Any:
    try:
        return ReplayOut(progress.progress(pk)).data
    except Replay.DoesNotExist:
        raise NotFound("there is no such replay") from None
