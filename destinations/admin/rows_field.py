"""A form field for a list of small objects, such as headers: one row each, secrets write-only."""

from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict

from destinations.schema import MASK


class RowsWidget(forms.Widget):
    """A table of inputs. Each row remembers which stored one it came from, since secrets stay behind."""

    template_name = "destinations/rows.html"

    def __init__(self, columns: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.columns = columns

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        rows = []
        for index, row in enumerate(value or []):
            cells = [self._cell(name, column, str(row.get(column) or "")) for column in self.columns]
            rows.append({"origin": row.get("origin", index), "cells": cells})
        empty = [self._cell(name, column, "") for column in self.columns]
        return {
            "widget": {"name": name, "rows": rows, "empty": empty, "attrs": attrs or {}},
            "origin": f"{name}-origin",
        }

    def _cell(self, name: str, column: str, value: str) -> dict[str, Any]:
        node = self.columns[column]
        secret = bool(node.get("secret"))
        return {
            "name": f"{name}-{column}",
            "label": node.get("description", column),
            "secret": secret,
            "stored": secret and value == MASK,
            "value": "" if secret else value,
        }

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, str]]:
        if not isinstance(data, MultiValueDict):
            return list(data.get(name, []))
        lists = {column: data.getlist(f"{name}-{column}") for column in ("origin", *self.columns)}
        length = max(map(len, lists.values()))
        padded = {column: values + [""] * (length - len(values)) for column, values in lists.items()}
        rows = [{column: padded[column][index] for column in padded} for index in range(length)]
        return [row for row in rows if any(row[column].strip() for column in self.columns if column != "origin")]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False


class RowsField(forms.Field):
    """A list of objects with text values; rows that are empty altogether do not count."""

    def __init__(self, node: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(widget=RowsWidget(node["properties"]), **kwargs)
        self._secrets = {name for name, inner in node["properties"].items() if inner.get("secret")}

    def clean(self, value: Any) -> list[dict[str, str]]:
        # A row whose name was taken away is gone, with its secret.
        rows = [row for row in value or [] if any(row[key] for key in row if key != "origin")]
        super().clean(rows)
        return rows
