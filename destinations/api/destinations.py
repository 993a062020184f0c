"""/destinations: configured instances of destination types, their health, and pausing and resuming them."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from destinations import actions, configure, registry
from destinations.api.base import ApiView, Scope
from destinations.api.config_shapes import ConfigField, EventFilterShape, RetryShape
from destinations.api.paging import IdQuery, asked, page, row_or_404, rows_after
from destinations.api.problems import Conflict
from destinations.api.shapes import (
    MOST_INTEGER,
    MomentField,
    Shape,
    StrictBoolean,
    StrictInteger,
    StrictText,
    TidyField,
)
from destinations.api.writing import body, paged, saved
from destinations.models import Destination, DestinationAction, Health

_TYPES = [(name, registry.schema(name).display_name) for name in registry.types()]
_REASON_MOST = 1000


class HealthOut(serializers.Serializer[Any]):
    """How a destination is doing."""

    state = serializers.ChoiceField(Health.State.choices)
    breaker = serializers.ChoiceField(Health.Breaker.choices)
    opened_at = MomentField(allow_null=True)
    probe_at = MomentField(allow_null=True)
    last_error = serializers.CharField()
    last_error_at = MomentField(allow_null=True)


class DestinationOut(serializers.Serializer[Any]):
    """A destination; secrets in its configuration are masked."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    type = serializers.CharField()
    enabled = serializers.BooleanField()
    config = serializers.SerializerMethodField()
    config_problem = serializers.CharField(help_text="why the configuration cannot be decrypted; empty when it can")
    rate_limit = serializers.IntegerField(allow_null=True, help_text="events a second; null: no limit")
    max_concurrency = serializers.IntegerField(allow_null=True, help_text="requests in flight; null: the default")
    retry = RetryShape()
    event_filter = EventFilterShape()
    created_at = MomentField()
    health = HealthOut()

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_config(self, row: Destination) -> dict[str, Any]:
        shown = configure.masked(row.type, row.config)
        return shown if isinstance(shown, dict) else {}


class DestinationChange(Shape):
    """What can be changed; what is left out stays. Where `***` stands in the configuration the stored secret stays."""

    name = TidyField(max_length=100, required=False)
    type = serializers.ChoiceField(_TYPES, required=False)
    enabled = StrictBoolean(required=False)
    config = ConfigField(required=False)
    rate_limit = StrictInteger(min_value=1, max_value=MOST_INTEGER, allow_null=True, required=False)
    max_concurrency = StrictInteger(min_value=1, max_value=MOST_INTEGER, allow_null=True, required=False)
    retry = RetryShape(required=False)
    event_filter = EventFilterShape(required=False)


class NewDestination(DestinationChange):
    """A destination to make."""

    name = TidyField(max_length=100)
    type = serializers.ChoiceField(_TYPES)
    config = ConfigField()


class Pause(Shape):
    """Why, for the record."""

    reason = StrictText(max_length=_REASON_MOST, allow_blank=True, default="")


class Resume(Pause):
    """What becomes of the events that were accepted meanwhile."""

    backlog = serializers.ChoiceField(
        ["deliver", "skip"], default="deliver", help_text="skip: pass over what is owed at this moment"
    )


class ActionOut(serializers.Serializer[Any]):
    """What an operator did."""

    id = serializers.IntegerField()
    action = serializers.ChoiceField(DestinationAction.Action.choices)
    from_state = serializers.ChoiceField(Health.State.choices)
    actor = serializers.CharField()
    reason = serializers.CharField()
    at = MomentField()


class DestinationsView(ApiView):
    """All destinations."""

    scopes = {"GET": Scope.READ, "POST": Scope.DESTINATIONS_WRITE}

    @extend_schema(operation_id="list_destinations", parameters=[IdQuery], responses=paged(DestinationOut))
    def get(self, request: Request) -> Response:
        rows, cursor = rows_after(Destination.objects.select_related("health"), asked(request, IdQuery))
        return Response(page(DestinationOut(rows, many=True).data, cursor))

    @extend_schema(operation_id="create_destination", request=NewDestination, responses={201: DestinationOut})
    def post(self, request: Request) -> Response:
        values = body(request, NewDestination)
        values["config"] = _config(values["type"], values["config"], {})
        made = saved(Destination(**values), None)
        return Response(DestinationOut(_destination(made.pk)).data, status=201)


class DestinationView(ApiView):
    """One destination."""

    scopes = {"GET": Scope.READ, "PATCH": Scope.DESTINATIONS_WRITE}

    @extend_schema(operation_id="get_destination", responses=DestinationOut)
    def get(self, _request: Request, pk: int) -> Response:
        return Response(DestinationOut(_destination(pk)).data)

    @extend_schema(operation_id="change_destination", request=DestinationChange, responses=DestinationOut)
    def patch(self, request: Request, pk: int) -> Response:
        values = body(request, DestinationChange)
        row = _destination(pk)
        if "config" in values or "type" in values:
            kind = values.get("type", row.type)
            shown = values.get("config", configure.masked(row.type, row.config))
            values["config"] = _config(kind, shown, row.config)
        saved(row, values)
        return Response(DestinationOut(_destination(pk)).data)


class PauseView(ApiView):
    """Stop sending; events stay pending."""

    scopes = {"POST": Scope.DESTINATIONS_WRITE}

    @extend_schema(operation_id="pause_destination", request=Pause, responses=DestinationOut)
    def post(self, request: Request, pk: int) -> Response:
        values = body(request, Pause)
        _destination(pk)
        actions.pause([pk], self.actor, values["reason"].strip())
        return Response(DestinationOut(_destination(pk)).data)


class ResumeView(ApiView):
    """Let a paused or held destination send again."""

    scopes = {"POST": Scope.DESTINATIONS_WRITE}

    @extend_schema(operation_id="resume_destination", request=Resume, responses=DestinationOut)
    def post(self, request: Request, pk: int) -> Response:
        values = body(request, Resume)
        _destination(pk)
        skip = values["backlog"] == "skip"
        changed = actions.resume([pk], self.actor, skip=skip, reason=values["reason"].strip())
        if skip and not changed:
            raise Conflict("the destination is neither held nor paused: pause it first")
        return Response(DestinationOut(_destination(pk)).data)


class ActionsView(ApiView):
    """What operators did to a destination, newest first."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="list_destination_actions", parameters=[IdQuery], responses=paged(ActionOut))
    def get(self, request: Request, pk: int) -> Response:
        _destination(pk)
        rows = DestinationAction.objects.filter(destination=pk)
        found, cursor = rows_after(rows, asked(request, IdQuery), newest_first=True)
        return Response(page(ActionOut(found, many=True).data, cursor))


def _destination(pk: int) -> Destination:
    found: Destination = row_or_404(Destination.objects.select_related("health"), pk, "destination")
    return found


def _config(kind: str, shown: Any, stored: Any) -> Any:
    """The configuration to store. Raises ValidationError with the path of what is wrong."""
    config, problems = configure.checked(kind, shown, stored)
    if problems:
        raise serializers.ValidationError({f"config.{path}" if path else "config": text for path, text in problems})
    return config
