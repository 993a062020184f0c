"""The API's description is complete, valid, and browsable without the internet."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from destinations.api.urls import operations


@pytest.fixture
def schema() -> Any:
    GENERATOR_STATS.reset()
    generator = SchemaGenerator(urlconf="destinations.api.urls")  # type: ignore[no-untyped-call]
    found = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    assert not GENERATOR_STATS, "the schema is made with warnings or errors"
    return found


def test_the_description_is_valid_openapi_and_made_without_a_warning(schema: Any) -> None:
    validate_schema(schema)  # type: ignore[no-untyped-call]


def test_every_operation_is_described_with_its_scope_and_errors(schema: Any) -> None:
    described = {
        (path, method): operation for path, methods in schema["paths"].items() for method, operation in methods.items()
    }
    there = {
        (
            f"/{re.sub('<(str|int|uuid):', '{', str(p.pattern)).replace('>', '}').replace('{pk}', '{id}')}",
            method.lower(),
        )
        for p in operations
        for method in p.callback.view_class.scopes  # type: ignore[attr-defined]
    }
    assert set(described) == there
    for operation in described.values():
        assert "Scope: `" in operation["description"]
        assert operation["security"] == [{"token": []}]
        assert {"400", "401", "403", "429", "503"} <= set(operation["responses"])


def test_the_description_and_its_page_need_no_token_and_no_internet(db: None) -> None:
    answer = Client().get("/api/v1/openapi.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.content)["openapi"].startswith("3.")
    text = Client().get("/api/v1/docs/").content.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(loaded) >= 4
    assert "<script>" not in text, "a Content-Security-Policy without inline scripts would stop it"
    for address in loaded:
        assert address.startswith(("/static/", "/api/v1/docs/?script=")), address
        assert Client().get(address).status_code == 200, address
