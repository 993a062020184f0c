"""Form fields for a destination type's configuration, made from its schema, and the way back.

Secrets are write-only: what is stored never reaches the browser, and an empty field keeps it. Must import no plugin.
"""

import re
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from destinations.admin.rows_field import RowsField
from destinations.schema import Schema

PREFIX = "config-"
FORGET = "-forget"  # of the checkbox that removes a stored secret
STORED = "stored; empty keeps it"


def fields(schema: Schema, stored: dict[str, Any]) -> dict[str, forms.Field]:
    """A field for each key of the schema, showing what is stored."""
    shown, required = schema.mask(stored), schema.root.get("required", ())
    made: dict[str, forms.Field] = {}
    for name, node in schema.root["properties"].items():
        field = _field(node, shown.get(name), name in required)
        field.label = label_of(name)
        field.help_text = field.help_text or node.get("description", "")
        made[PREFIX + name] = field
        if node.get("secret") and stored.get(name) and name not in required:
            label = f"Remove the {label_of(name).lower()}"
            made[PREFIX + name + FORGET] = forms.BooleanField(
                label=label, required=False, widget=UnfoldBooleanSwitchWidget()
            )
    return made


def config(schema: Schema, cleaned: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """The configuration a form asks for, a URL perhaps still masked; keys that were left empty are left out."""
    found: dict[str, Any] = {}
    for name, node in schema.root["properties"].items():
        value = cleaned.get(PREFIX + name)
        if node.get("secret"):
            if cleaned.get(PREFIX + name + FORGET):
                continue
            value = value or stored.get(name)
        elif isinstance(value, list) and "properties" in node.get("items", {}):
            value = [_row(node["items"], row, stored.get(name) or []) for row in value]
        if value not in (None, "", []):
            found[name] = value
    return found


def field_of(path: str) -> str:
    """The form's field for a path inside the configuration: `headers[0].to` is in `headers`."""
    return PREFIX + re.split(r"[.\[]", path)[0]


def label_of(name: str) -> str:
    """webhookUrl, signing_secret -> Webhook URL, Signing secret."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
    return re.sub(r"\b(url|id)\b", lambda match: match[0].upper(), words[:1].upper() + words[1:], flags=re.IGNORECASE)


def _row(node: dict[str, Any], row: dict[str, str], stored: list[Any]) -> dict[str, Any]:
    """One row; a secret that was left empty is that of the stored row it came from."""
    origin = row.get("origin", "")
    before = stored[int(origin)] if origin.isdecimal() and int(origin) < len(stored) else {}
    found = {}
    for name, inner in node["properties"].items():
        value = row.get(name) or (before.get(name, "") if inner.get("secret") else "")
        if value or name in node.get("required", ()):
            found[name] = value
    return found


def _field(node: dict[str, Any], shown: Any, required: bool) -> forms.Field:
    kind = node.get("type", "object")
    if node.get("secret"):
        stored = bool(shown)
        widget = UnfoldAdminPasswordWidget(
            {"autocomplete": "new-password", "placeholder": STORED if stored else "", "class": "font-mono"}
        )
        return forms.CharField(required=required and not stored, widget=widget, strip=True)
    if "enum" in node:
        choices = [(value, value) for value in node["enum"]]
        initial = shown or node.get("default") or node["enum"][0]
        return forms.ChoiceField(choices=choices, initial=initial, widget=UnfoldAdminSelectWidget())
    if kind == "string":
        return forms.CharField(required=required, initial=shown, widget=UnfoldAdminTextInputWidget())
    if kind == "number":
        attrs = {"step": "any", "min": node.get("minimum"), "max": node.get("maximum")}
        widget = UnfoldAdminDecimalFieldWidget({name: value for name, value in attrs.items() if value is not None})
        return forms.FloatField(required=required, initial=shown, widget=widget)
    if kind == "integer":
        least, most, widget = node.get("minimum"), node.get("maximum"), UnfoldAdminIntegerFieldWidget()
        return forms.IntegerField(required=required, initial=shown, min_value=least, max_value=most, widget=widget)
    if kind == "boolean":
        return forms.BooleanField(required=False, initial=shown, widget=UnfoldBooleanSwitchWidget())
    if kind == "array" and "properties" in node["items"]:
        return RowsField(node["items"], required=required, initial=shown or [])
    return forms.JSONField(required=required, initial=shown, widget=UnfoldAdminTextareaWidget())
