"""Buttons on the page of one row, for what an operator does to it. They post: a link must never change anything.

Owns their URLs, the permission asked for and the note in the row's history.
"""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from rudderproj.admin_parts import FastAdmin


@dataclass(frozen=True, slots=True)
class Button:
    """One button. `tone`: "", "primary" or "danger"; `question` is asked before; `ask`: it opens a page that asks."""

    name: str
    title: str
    icon: str
    tone: str = ""
    question: str = ""
    ask: bool = False


class ButtonAdmin(FastAdmin):
    """A page of one row with buttons. Subclasses say which there are and what pressing one does."""

    change_form_outer_before_template = "rudderproj/buttons.html"

    def buttons(self, request: HttpRequest, row: Any) -> list[Button]:
        """What can be done to this row as it stands."""
        raise NotImplementedError

    def press(self, request: HttpRequest, row: Any, name: str) -> HttpResponse | None:
        """Do it; None: back to the row's page."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.press_view)
        own = path("<int:row_id>/press/<slug:name>/", view, name=f"{self._prefix}_press")
        return [own, *super().get_urls()]

    @property
    def _prefix(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def press_view(self, request: HttpRequest, row_id: int, name: str) -> HttpResponse:
        """What a button leads to."""
        row = self.get_object(request, str(row_id))
        if row is None:
            raise Http404
        if not self.may_press(request, row):
            raise PermissionDenied
        button = next((button for button in self.buttons(request, row) if button.name == name), None)
        if request.method != "POST" and not (button and button.ask):
            return HttpResponseNotAllowed(["POST"])
        answer = self.press(request, row, name) if button else None
        return answer or self.back(row)

    def may_press(self, request: HttpRequest, row: Model) -> bool:
        """Whether this user may press any button of the row."""
        return self.has_change_permission(request, row)

    def back(self, row: Model) -> HttpResponse:
        """To the row's page."""
        return HttpResponseRedirect(reverse(f"admin:{self._prefix}_change", args=[row.pk]))

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """A page of the admin around what a button shows or asks."""
        whole = self.admin_site.each_context(request) | {"opts": self.opts} | context
        return TemplateResponse(request, template, whole)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None and self.may_press(request, row):
            context["buttons"] = [
                (button, reverse(f"admin:{self._prefix}_press", args=[row.pk, button.name]))
                for button in self.buttons(request, row)
            ]
        return super().render_change_form(request, context, *args, **kwargs)
