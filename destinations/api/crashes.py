"""/crashes: reports of processes that ended as they should not, newest first."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.models import Crash, Process
from alerts.recovery import report
from destinations.api.base import ApiView, Scope
from destinations.api.paging import DEFAULT, MOST, asked, page, row_or_404
from destinations.api.shapes import MomentField, Shape, StrictText
from destinations.api.writing import paged


class CrashOut(serializers.Serializer[Any]):
    """An unclean end of a process, or of a process of a worker's pool."""

    id = serializers.UUIDField()
    at = MomentField()
    role = serializers.CharField()
    node = serializers.CharField()
    kind = serializers.ChoiceField(Crash.Kind.choices)
    pid = serializers.IntegerField()
    summary = serializers.CharField(source="__str__")
    exit_status = serializers.IntegerField(allow_null=True)
    signal = serializers.CharField()
    is_oom = serializers.BooleanField()
    uptime_seconds = serializers.FloatField(allow_null=True)
    mode = serializers.CharField(help_text="of the service, then; empty: unknown")
    restarted_at = MomentField(allow_null=True)
    verdict = serializers.SerializerMethodField(help_text="counted, explained, suspected or ended")
    why = serializers.SerializerMethodField()

    def get_verdict(self, row: Crash) -> str:
        return report.verdict(row).word

    def get_why(self, row: Crash) -> str:
        return report.verdict(row).why


class CrashReportOut(CrashOut):
    """The whole report."""

    in_flight = serializers.ListField(child=serializers.DictField(), help_text="ids of what it had in its hands")
    in_flight_named = serializers.SerializerMethodField()
    traceback = serializers.CharField()
    log = serializers.CharField(help_text="its last lines")
    environment = serializers.DictField(help_text="versions, machine, settings without secrets")
    mode_changes = serializers.SerializerMethodField(help_text="ids of the changes of mode that it took part in")

    def get_in_flight_named(self, row: Crash) -> list[str]:
        return report.in_flight(row)

    def get_mode_changes(self, row: Crash) -> list[int]:
        return [change.pk for change in report.mode_changes(row)]


class CrashQuery(Shape):
    """Of a role, with a verdict."""

    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=DEFAULT, help_text="items on a page")
    cursor = StrictText(max_length=100, required=False, help_text="`next` of the page before")
    role = serializers.ChoiceField(Process.Role.choices, required=False)
    verdict = serializers.ChoiceField(list(report.IS), required=False)

    def validate_cursor(self, value: str) -> tuple[datetime, UUID]:
        """Where the page before ended."""
        moment, _, pk = value.partition("~")
        try:
            found = MomentField().to_internal_value(moment), UUID(pk)
        except (serializers.ValidationError, ValueError):
            return datetime.min.replace(tzinfo=UTC), UUID(int=0)  # no page before ended there: nothing comes after
        return found


class CrashesView(ApiView):
    """Crash reports without their texts, newest first."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="list_crashes", parameters=[CrashQuery], responses=paged(CrashOut))
    def get(self, request: Request) -> Response:
        query = asked(request, CrashQuery)
        rows = Crash.objects.order_by("-at", "-id").defer("log", "traceback", "environment", "in_flight")
        if "role" in query:
            rows = rows.filter(role=query["role"])
        if "verdict" in query:
            rows = rows.filter(report.IS[query["verdict"]])
        if "cursor" in query:
            at, pk = query["cursor"]
            rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))
        found = list(rows[: query["limit"] + 1])
        shown = found[: query["limit"]]
        cursor = f"{shown[-1].at.isoformat()}~{shown[-1].pk}" if len(found) > len(shown) else None
        return Response(page(CrashOut(shown, many=True).data, cursor))


class CrashView(ApiView):
    """One crash report."""

    scopes = {"GET": Scope.READ}

    @extend_schema(operation_id="get_crash", responses=CrashReportOut)
    def get(self, request: Request, pk: UUID) -> Response:
        asked(request, Shape)
        return Response(CrashReportOut(row_or_404(Crash.objects.all(), pk, "crash report")).data)
