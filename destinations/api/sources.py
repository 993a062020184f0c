"""/sources: the sending applications. A write key is shown to who makes it, and not again."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from destinations.api.base import ApiView, Scope
from destinations.api.paging import IdQuery, asked, page, row_or_404, rows_after
from destinations.api.shapes import MOST_INTEGER, MomentField, Shape, StrictBoolean, StrictInteger, TidyField
from destinations.api.writing import body, paged, saved
from ingest.keys import new_write_key
from ingest.models import Source


class SourceOut(serializers.Serializer[Any]):
    """A source."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    enabled = serializers.BooleanField()
    rate_limit = serializers.IntegerField(allow_null=True, help_text="requests a second; null: no limit")
    user_key = serializers.ChoiceField(Source.UserKey.choices, help_text="which id comes first as the user key")
    created_at = MomentField()


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
        source = saved(Source(**{"write_key": new_write_key()} | values), None)
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


def _source(pk: int) -> Source:
    found: Source = row_or_404(Source.objects.all(), pk, "source")
    return found
