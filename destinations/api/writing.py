"""What the API's writing views share: reading a body, saving a row, and the shape of a page."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from destinations.api.problems import Conflict
from destinations.api.shapes import Shape

M = TypeVar("M", bound=Model)


def body(request: Request, kind: type[Shape]) -> dict[str, Any]:
    """The body's values. Raises ValidationError; a body without a media type that is JSON is refused before."""
    shape = kind(data=request.data)
    shape.is_valid(raise_exception=True)
    return dict(shape.validated_data)


def saved(row: M, changed: Mapping[str, Any] | None) -> M:
    """The row, made (`changed` None) or changed in the named fields only. Raises Conflict if it contradicts another."""
    for name, value in (changed or {}).items():
        setattr(row, name, value)
    try:
        with transaction.atomic():
            row.save(force_insert=changed is None, update_fields=None if changed is None else list(changed))
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
        raise Conflict(_conflict(constraint)) from None
    return row


def _conflict(constraint: str) -> str:
    for part, message in (
        ("write_key", "another source has this write key"),
        ("connection_once", "this source and destination are connected already: change that connection"),
        ("name", "the name is taken"),
    ):
        if part in constraint:
            return message
    return "it contradicts what is there"


def paged(item: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """The shape of a page of items."""
    return inline_serializer(
        f"PageOf{item.__name__}",
        {
            "items": item(many=True),
            "next": serializers.CharField(allow_null=True, help_text="the cursor of the next page; null: the last"),
        },
    )
