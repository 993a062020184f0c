"""Destination types and their schemas."""

import subprocess
import sys
from typing import Any

import pytest

from destinations import registry

URL = {"webhookUrl": "https://hook.test/in"}

KEYS = "webhookUrl, webhookMethod, headers, batch_events, timeout_seconds, signing_secret"


@pytest.mark.parametrize("name", registry.types())
def test_every_type_has_a_schema_a_plugin_and_a_readme(name: str) -> None:
    schema = registry.schema(name)
    assert schema.type == name
    assert schema.display_name
    assert callable(registry.plugin(name).build)
    readme = registry._FOLDER / name / "README.md"
    assert all(f"`{key}`" in readme.read_text() for key in schema.root["properties"])


def test_reading_schemas_imports_no_plugin() -> None:
    code = (
        "import sys; from destinations import registry; [registry.schema(t).validate({}) for t in registry.types()];"
        "print([m for m in sys.modules if m.endswith('.plugin')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(registry.UnknownTypeError, match="expected one of inbox, webhook"):
        registry.schema("../webhook")
    with pytest.raises(registry.UnknownTypeError):
        registry.plugin("smtp")


def test_rudderstack_definitions_are_found_in_any_case() -> None:
    assert registry.type_of_definition("webhook") == registry.type_of_definition("WEBHOOK") == "webhook"
    for unknown in ("", "GA4", "INBOX"):
        with pytest.raises(registry.UnknownTypeError):
            registry.type_of_definition(unknown)


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        (URL, []),
        (URL | {"webhookMethod": "DELETE", "timeout_seconds": 3, "headers": [{"from": "X-A", "to": "b c"}]}, []),
        (URL | {"headers": [{"from": "", "to": ""}]}, []),
        ([], [("", "expected object")]),
        ({}, [("webhookUrl", "required")]),
        ({"webhookUrl": 5}, [("webhookUrl", "expected string")]),
        ({"webhookUrl": "ftp://x"}, [("webhookUrl", "expected a URL starting with http:// or https://")]),
        ({"webhookUrl": "http://x:99999"}, [("webhookUrl", "expected a URL starting with http:// or https://")]),
        ({"webhookUrl": "http://x/a b"}, [("webhookUrl", "expected a URL starting with http:// or https://")]),
        (URL | {"webhookMethod": "post"}, [("webhookMethod", "expected one of POST, PUT, PATCH, GET, DELETE")]),
        (URL | {"headers": {}}, [("headers", "expected array")]),
        (URL | {"headers": [{"to": "x"}]}, [("headers[0].from", "required")]),
        (
            URL | {"headers": [{"from": "A"}, {"from": "B C"}]},
            [("headers[1].from", "not a header name that can be set")],
        ),
        (URL | {"headers": [{"from": "Host", "to": "x"}]}, [("headers[0].from", "not a header name that can be set")]),
        (URL | {"headers": [{"from": "A", "to": "x\r\ny: z"}]}, [("headers[0].to", "not a header value")]),
        (URL | {"timeout_seconds": True}, [("timeout_seconds", "expected number")]),
        (URL | {"timeout_seconds": float("nan")}, [("timeout_seconds", "expected 0.1 to 60")]),
        (URL | {"timeout_seconds": 0}, [("timeout_seconds", "expected 0.1 to 60")]),
        (URL | {"signing_secret": "whsec_%%%"}, [("signing_secret", "expected whsec_ and base64")]),
        (URL | {"signing_secret": "whsec_ä"}, [("signing_secret", "expected whsec_ and base64")]),
        (URL | {"signing_secret": "whsec_AAAA"}, [("signing_secret", "a secret is shorter than 16 bytes")]),
        (
            {"webhookUrl": "http://x", "webhookurl": "", "n": 1},
            [(name, f"unknown key, expected {KEYS}") for name in ("webhookurl", "n")],
        ),
    ],
)
def test_a_webhook_configuration_is_validated_with_paths(config: Any, problems: list[tuple[str, str]]) -> None:
    assert registry.schema("webhook").validate(config) == problems


CONFIG = {
    "webhookUrl": "https://user:pa55@hook.test/in",
    "headers": [{"from": "X-Token", "to": "Bearer abcdefgh"}, {"from": "", "to": ""}],
    "signing_secret": "whsec_one whsec_two",
    "unknown": "kept out of sight",
}


def test_masking_hides_every_secret_and_nothing_else() -> None:
    assert registry.schema("webhook").mask(CONFIG) == {
        "webhookUrl": "https://***@hook.test/in",
        "headers": [{"from": "X-Token", "to": "***"}, {"from": "", "to": ""}],
        "signing_secret": "***",
        "unknown": "***",
    }


def test_secret_values_are_listed_longest_first() -> None:
    assert registry.schema("webhook").secrets(CONFIG) == [
        "whsec_one whsec_two",
        "Bearer abcdefgh",
        "user:pa55",
        "whsec_one",
        "whsec_two",
        "abcdefgh",
        "pa55",
    ]
