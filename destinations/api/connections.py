"""/connections and /destination-types: which source feeds which destination, and what kinds there are."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from destinations import registry
from destinations.api.base import ApiView, Scope
from destinations.api.config_shapes import json_schema
from destinations.api.paging import MOST_ID, IdQuery, asked, page, row_or_404, rows_after
from destinations.api.shapes import MomentField, Shape, StrictBoolean, StrictInteger
from destinations.api.writing import body, paged, saved
from destinations.models import Connection, Destination
from ingest.models import Source


class ConnectionOut(serializers.Serializer[Any]):
    """A connection. What its source accepted before `created_at` is not its own."""

    id = serializers.IntegerField()
    source = serializers.IntegerField(source="source_id")  # type: ignore[assignment]
    destination = serializers.IntegerField(source="destination_id")
    enabled = serializers.BooleanField()
    created_at = MomentField()


class ConnectionChange(Shape):
    """Switched on or off. What is accepted while it is off is filtered; what was accepted before waits."""

    enabled = StrictBoolean()


class NewConnection(Shape):
    """A connection to make."""

    source = StrictInteger(min_value=1, max_value=MOST_ID, help_text="id of a source")  # type: ignore[assignment]
    destination = StrictInteger(min_value=1, max_value=MOST_ID, help_text="id of a destination")
    enabled = StrictBoolean(required=False)


class ConnectionQuery(IdQuery):
    """Those of a source, of a destination."""

    source = serializers.IntegerField(min_value=0, max_value=MOST_ID, required=False, help_text="id of a source")  # type: ignore[assignment]
    destination = serializers.IntegerField(
        min_value=0, max_value=MOST_ID, required=False, help_text="id of a destination"
    )


class TypeOut(serializers.Serializer[Any]):
    """A destination type."""

    type = serializers.CharField()
    display_name = serializers.CharField()
    definition = serializers.CharField(help_text="the name of RudderStack's destination definition, or empty")
    config_schema = serializers.DictField(help_text="JSON Schema of a configuration")


class ConnectionsView(ApiView):
    """All connections."""

    scopes = {"GET": Scope.READ, "POST": Scope.DESTINATIONS_WRITE}

    @extend_schema(operation_id="list_connections", parameters=[ConnectionQuery], responses=paged(ConnectionOut))
    def get(self, request: Request) -> Response:
        query = asked(request, ConnectionQuery)
        chosen = {name: query[name] for name in ("source", "destination") if name in query}
        rows, cursor = rows_after(Connection.objects.filter(**chosen), query)
        return Response(page(ConnectionOut(rows, many=True).data, cursor))

    @extend_schema(operation_id="create_connection", request=NewConnection, responses={201: ConnectionOut})
    def post(self, request: Request) -> Response:
        values = body(request, NewConnection)
        row_or_404(Source.objects.all(), values["source"], "source")
        row_or_404(Destination.objects.all(), values["destination"], "destination")
        made = Connection(
            source_id=values["source"], destination_id=values["destination"], enabled=values.get("enabled", True)
        )
        return Response(ConnectionOut(saved(made, None)).data, status=201)


class ConnectionView(ApiView):
    """One connection."""

    scopes = {"GET": Scope.READ, "PATCH": Scope.DESTINATIONS_WRITE}

    @extend_schema(operation_id="get_connection", responses=ConnectionOut)
    def get(self, _request: Request, pk: int) -> Response:
        return Response(ConnectionOut(_connection(pk)).data)

    @extend_schema(operation_id="change_connection", request=ConnectionChange, responses=ConnectionOut)
    def patch(self, request: Request, pk: int) -> Response:
        values = body(request, ConnectionChange)
        return Response(ConnectionOut(saved(_connection(pk), values)).data)


class TypesView(ApiView):
    """The destination types, with the schemas of their configurations."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="list_destination_types", responses=TypeOut(many=True))
    def get(self, request: Request) -> Response:
        asked(request, Shape)
        return Response(
            [
                {
                    "type": schema.type,
                    "display_name": schema.display_name,
                    "definition": schema.definition,
                    "config_schema": json_schema(schema.root),
                }
                for schema in map(registry.schema, registry.types())
            ]
        )


def _connection(pk: int) -> Connection:
    found: Connection = row_or_404(Connection.objects.all(), pk, "connection")
    return found
