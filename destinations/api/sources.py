"""/sources: the sending applications. A write key is shown to who makes it, and not again."""

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from destinations.api.base import ApiView, Scope
from destinations.api.paging import IdQuery, asked, page, row_or_404, rows_after
from destinations.api.problems import Conflict
from destinations.api.shapes import MOST_INTEGER, MomentField, Shape, StrictBoolean, StrictInteger, TidyField
from destinations.api.writing import body, paged, saved
from ingest import keys, retiring
from ingest.models import Source

MOST_VALID_SECONDS = 366 * 86400


class SourceOut(serializers.Serializer[Any]):
    """A source."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    enabled = serializers.BooleanField()
    rate_limit = serializers.IntegerField(
        allow_null=True, help_text="requests a second, in each web process; null: none"
    )
    user_key = serializers.ChoiceField(Source.UserKey.choices, help_text="which id comes first as the user key")
    retired_at = MomentField(allow_null=True, help_text="its apps are told to stop for good; wins over `enabled`")
    created_at = MomentField()
    previous_key_valid_until = MomentField(
        allow_null=True, help_text="how long the key before the last rotation is accepted"
    )


class NewSourceOut(SourceOut):
    """A source that was just made, with its write key."""

    write_key = serializers.CharField()


class SourceChange(Shape):
    """What can be changed; what is left out stays."""

    name = TidyField(max_length=100, required=False)
    enabled = StrictBoolean(required=False)
    rate_limit = StrictInteger(min_value=1, max_value=MOST_INTEGER, allow_null=True, required=False)
    user_key = serializers.ChoiceField(Source.UserKey.choices, required=False)


class NewSource(SourceChange):
    """A source to make. Without a write key it gets a new one."""

    name = TidyField(max_length=100)
    write_key = TidyField(max_length=200, required=False)


class Rotation(Shape):
    """How long the key that is replaced stays valid, while clients change over."""

    valid_for_seconds = StrictInteger(min_value=0, max_value=MOST_VALID_SECONDS, default=86400)


class SourcesView(ApiView):
    """All sources."""

    scopes = {"GET": Scope.READ, "POST": Scope.SOURCES_WRITE}

    @extend_schema(operation_id="list_sources", parameters=[IdQuery], responses=paged(SourceOut))
    def get(self, request: Request) -> Response:
        rows, cursor = rows_after(Source.objects.all(), asked(request, IdQuery))
        return Response(page(SourceOut(rows, many=True).data, cursor))

    @extend_schema(operation_id="create_source", request=NewSource, responses={201: NewSourceOut})
    def post(self, request: Request) -> Response:
        values = body(request, NewSource)
        source = saved(Source(**{"write_key": keys.new_write_key()} | values), None)
        return Response(NewSourceOut(source).data, status=201)


class SourceView(ApiView):
    """One source."""

    scopes = {"GET": Scope.READ, "PATCH": Scope.SOURCES_WRITE}

    @extend_schema(operation_id="get_source", responses=SourceOut)
    def get(self, _request: Request, pk: int) -> Response:
        return Response(SourceOut(_source(pk)).data)

    @extend_schema(operation_id="change_source", request=SourceChange, responses=SourceOut)
    def patch(self, request: Request, pk: int) -> Response:
        values: dict[str, Any] = body(request, SourceChange)
        return Response(SourceOut(saved(_source(pk), values)).data)


class RotateKeyView(ApiView):
    """Give a source a new write key, shown in the answer."""

    scopes = {"POST": Scope.SOURCES_WRITE}

    @extend_schema(operation_id="rotate_write_key", request=Rotation, responses=NewSourceOut)
    def post(self, request: Request, pk: int) -> Response:
        values = body(request, Rotation)
        valid_for = timedelta(seconds=values["valid_for_seconds"])
        if keys.rotate(pk, _source(pk).write_key, valid_for, self.actor) is None:
            raise Conflict("somebody else is rotating this key")
        return Response(NewSourceOut(_source(pk)).data)


class ActView(ApiView):
    """Something that is done to a source, with an empty body; done already is well too."""

    scopes = {"POST": Scope.SOURCES_WRITE}

    def act(self, pk: int) -> None:
        """Do it."""
        raise NotImplementedError

    @extend_schema(request=Shape, responses=SourceOut)
    def post(self, request: Request, pk: int) -> Response:
        body(request, Shape)
        _source(pk)
        self.act(pk)
        return Response(SourceOut(_source(pk)).data)


@extend_schema_view(post=extend_schema(operation_id="end_previous_write_key"))
class EndPreviousKeyView(ActView):
    """Refuse the previous write key from now on."""

    def act(self, pk: int) -> None:
        keys.end_previous(pk, self.actor)


@extend_schema_view(post=extend_schema(operation_id="retire_source"))
class RetireView(ActView):
    """Tell the source's apps to stop for good. Mobile SDKs delete what they have stored."""

    def act(self, pk: int) -> None:
        retiring.retire(pk, self.actor)


@extend_schema_view(post=extend_schema(operation_id="restore_source"))
class RestoreView(ActView):
    """Take a retired source back. What devices have deleted stays deleted."""

    def act(self, pk: int) -> None:
        retiring.restore(pk, self.actor)


def _source(pk: int) -> Source:
    found: Source = row_or_404(Source.objects.all(), pk, "source")
    return found
