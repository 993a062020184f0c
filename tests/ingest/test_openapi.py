"""The description of ingest, and Schemathesis against a real web process with it: requests right and wrong."""

import os
from pathlib import Path

import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema

from ingest import openapi, urls
from ingest.models import Event, RejectedEvent, Source
from tests.described import assert_as_described
from tests.ingest.web import WebProcess

OPTIONS = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "15")


def test_the_description_is_valid_and_names_every_route() -> None:
    described = openapi.description()
    validate_schema(described)  # type: ignore[no-untyped-call]
    known = {str(pattern.pattern).removeprefix("^").removesuffix("/?$") for pattern in urls.urlpatterns}
    paths = {path.removeprefix("/").replace("{writeKey}", "[^/]+") for path in described["paths"]}
    assert known == paths | {"openapi.json"}


def test_it_is_served_to_whoever_asks() -> None:
    answer = Client().get("/openapi.json")
    assert (answer.status_code, answer.json()) == (200, openapi.description())


@pytest.mark.slow
def test_no_request_finds_a_difference_between_ingest_and_its_description(process_env: dict[str, str]) -> None:
    Source.objects.create(name="web", write_key="WK")
    web = WebProcess(process_env, LOG_LEVEL="WARNING")
    assert_as_described(web, "/openapi.json", OPTIONS, "--max-examples", EXAMPLES)
    assert Event.objects.exists()
    assert RejectedEvent.objects.exists()
