"""A model field for JSON that is encrypted in the database: destinations' configurations, channels' credentials.

Must never fail a whole page or lose what is stored because a key is missing: such a value reads as Unreadable, and is
written back as it was.
"""

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.db import models

from rudderproj import secrets

if TYPE_CHECKING:

    class TextField(models.TextField[Any, Any]):
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
else:
    TextField = models.TextField


class Unreadable(dict[str, Any]):
    """Stands for a value that cannot be decrypted: empty, with the `reason`. Equal to nothing but itself."""

    def __init__(self, stored: str, reason: str) -> None:
        super().__init__()
        self.stored = stored
        self.reason = reason

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


def reason_unreadable(value: object) -> str:
    """Why a field's value cannot be read; empty when it can."""
    return value.reason if isinstance(value, Unreadable) else ""


class EncryptedJSONField(TextField):
    """JSON as Python values outside, one encrypted text in the database. Cannot be searched in."""

    def from_db_value(self, value: str | None, _expression: object, _connection: object) -> Any:
        if value is None:
            return None
        try:
            return json.loads(secrets.decrypt(value))
        except secrets.SecretUnreadable as error:
            return Unreadable(value, str(error))

    def get_prep_value(self, value: Any) -> str | None:
        if isinstance(value, Unreadable):
            return value.stored
        return None if value is None else secrets.ring().encrypt(json.dumps(value, separators=(",", ":")))

    def to_python(self, value: Any) -> Any:
        """From a form or a fixture: JSON, or what value_to_string made."""
        if not isinstance(value, str):
            return value
        if value.startswith(f"{secrets.SCHEME}:"):
            return self.from_db_value(value, None, None)
        try:
            return json.loads(value)
        except ValueError:
            raise ValidationError("expected JSON", code="invalid") from None

    def value_to_string(self, obj: models.Model) -> str:
        """For dumpdata: encrypted."""
        return self.get_prep_value(self.value_from_object(obj)) or ""

    def formfield(self, **kwargs: Any) -> Any:
        return models.Field.formfield(self, **{"form_class": forms.JSONField, **kwargs})

    def get_lookup(self, lookup_name: str) -> Any:
        """Nothing but `isnull`: two encryptions of one value differ."""
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and cannot be searched in")
        return super().get_lookup(lookup_name)
