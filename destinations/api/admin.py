"""Admin of the API's tokens: made, with the secret shown once; revoked; never changed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from destinations.api import tokens
from destinations.api.models import ApiToken
from rudderproj.admin_buttons import Button, ButtonAdmin
from rudderproj.admin_parts import label

_SHOWN = ("name", "prefix", "shown_scopes", "created_by", "created_at", "last_used_at", "expires_at", "revoked_at")


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new token."""

    scopes = forms.MultipleChoiceField(
        choices=[(value, value) for value in ApiToken.Scope.values], widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scopes", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"name", "scopes", "expires_at"} <= cleaned.keys() and (
            problem := tokens.problem(cleaned["name"], cleaned["scopes"], cleaned["expires_at"])
        ):
            self.add_error(None, problem)
        return cleaned


@admin.register(ApiToken)
class TokenAdmin(ButtonAdmin):
    """Tokens are revoked, not deleted: their names stand in records of what was done."""

    form = TokenForm
    list_display = ("name", "state", "prefix", "shown_scopes", "created_by", "last_used_at", "expires_at")
    search_fields = ("name",)
    ordering = ("-revoked_at", "name")

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[Any]:
        return list(_SHOWN if obj else TokenForm.Meta.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[str]:
        return list(_SHOWN) if obj else []

    @admin.display(description="scopes")
    def shown_scopes(self, row: ApiToken) -> str:
        return ", ".join(row.scopes)

    @admin.display
    def state(self, row: ApiToken) -> str:
        if row.revoked_at:
            return label("revoked", "bad")
        is_expired = row.expires_at is not None and row.expires_at <= timezone.now()
        return label("expired", "warn") if is_expired else label("in force", "good")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            return
        made, obj.secret = tokens.create(obj.name, obj.scopes, request.user.get_username(), obj.expires_at)
        obj.pk = made.pk

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        address = f"{request.scheme}://{request.get_host()}"
        answer = self.page(
            request, "api/token.html", {"title": obj.name, "token": obj, "secret": obj.secret, "address": address}
        )
        add_never_cache_headers(answer)
        return answer

    def buttons(self, request: HttpRequest, row: ApiToken) -> list[Button]:
        question = "Whoever uses this token will be refused."
        return [] if row.revoked_at else [Button("revoke", "Revoke", "block", "danger", question)]

    def press(self, request: HttpRequest, row: ApiToken, name: str) -> HttpResponse | None:
        if tokens.revoke(row.pk):
            self.log_change(request, row, "Revoked.")
        return None
