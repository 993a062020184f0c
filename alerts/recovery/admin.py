"""Admin of crash reports: a list, a page for each, and the whole as one file."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from alerts.models import Crash
from alerts.recovery import report
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import label, shortened

TONES = {report.COUNTED: "bad", report.SUSPECTED: "warn", report.EXPLAINED: "plain", report.ENDED: "plain"}


class VerdictFilter(admin.SimpleListFilter):
    """Counted, explained, and so on."""

    title, parameter_name = "verdict", "verdict"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, word) for word in report.IS]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Crash]") -> "QuerySet[Crash]":
        wanted = report.IS.get(self.value() or "")
        return queryset.filter(wanted) if wanted else queryset


@admin.register(Crash)
class CrashAdmin(KeysetAdmin):
    """Processes that ended as they should not, newest first."""

    list_display = ("at", "role", "node", "kind", "shown_verdict", "shown_summary")
    list_filter = ("role", "kind", VerdictFilter)
    keyset = ("at", "id")
    change_form_template = "alerts/crash.html"
    fields = ()

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Crash]":
        found: QuerySet[Crash] = super().get_queryset(request)
        resolved = request.resolver_match
        is_list = resolved is not None and resolved.url_name == "alerts_crash_changelist"
        return found.defer("log", "traceback", "environment", "in_flight") if is_list else found

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.download_view)
        return [path("<uuid:pk>/download/", view, name="alerts_crash_download"), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: Crash = kwargs["obj"]
        context |= {
            "row": row,
            "verdict": report.verdict(row),
            "shown_verdict": self.shown_verdict(row),
            "in_flight": report.in_flight(row),
            "mode_changes": report.mode_changes(row),
            "environment": report.flat(row.environment),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def download_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """The whole report as a text file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = Crash.objects.filter(pk=pk).first()
        if row is None:
            raise Http404
        answer = HttpResponse(report.as_text(row), content_type="text/plain; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="crash-{row.role}-{row.at:%Y%m%dT%H%M%S}.txt"'
        return answer

    @admin.display(description="verdict")
    def shown_verdict(self, row: Crash) -> str:
        found = report.verdict(row)
        return label(found.word, TONES[found.word])

    @admin.display(description="summary")
    def shown_summary(self, row: Crash) -> str:
        return shortened(str(row), 120)
