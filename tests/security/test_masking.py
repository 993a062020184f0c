"""Secrets are taken out of texts in every common form, and of URLs that are shown."""

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destinations import schema_urls
from rudderproj.masking import masker

SECRET = 'Canary+/"s3cret"&äöü=='
FORMS: list[Callable[[str], str]] = [
    str,
    quote,
    quote_plus,
    lambda text: re.sub("%..", lambda match: match[0].lower(), quote(text, safe="")),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    html.escape,
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_masked(form: Callable[[str], str]) -> None:
    assert masker([SECRET])(f"a {form(SECRET)} b") == "a *** b"


@given(st.text("abc:", max_size=7), st.text("xyz:", max_size=7))
def test_base64_of_something_longer_shows_nothing_of_the_secret(before: str, after: str) -> None:
    text = base64.b64encode(f"{before}canary-secret-value{after}".encode()).decode()
    masked = masker(["canary-secret-value"])(text)
    assert "***" in masked
    assert len(masked.replace("***", "")) <= len(before) * 4 / 3 + len(after) * 4 / 3 + 8


def test_of_a_basic_authorization_the_password_is_masked_too() -> None:
    header = "Basic " + base64.b64encode(b"ada:hunter2-hunter2").decode()
    mask = masker([header, header.split()[1]])
    assert mask("bad password hunter2-hunter2") == "bad password ***"
    assert mask("ada:hunter2-hunter2 refused") == "*** refused"


def test_a_secret_cut_off_at_the_end_is_masked() -> None:
    mask = masker(["canary-secret-value"])
    assert mask("answer: canary-secret-va") == "answer: ***"
    assert mask("answer: canary") == "answer: canary"
    assert mask("canary-s and more") == "canary-s and more"


def test_without_secrets_a_text_stays_as_it_is() -> None:
    assert masker([])("as it is") == "as it is"


@pytest.mark.parametrize(
    ("url", "shown", "secrets"),
    [
        ("http://h.test/in", "http://h.test/in", []),
        ("https://ada:p%40ss@h.test:8/in", "https://***@h.test:8/in", ["ada:p%40ss", "ada:p@ss", "p%40ss", "p@ss"]),
        ("https://h.test/in?v=1&api_key=a%2Bbc#x", "https://h.test/in?v=1&api_key=***#x", ["a%2Bbc", "a+bc"]),
        ("https://h.test/in?x=" + "a" * 20, "https://h.test/in?x=***", ["a" * 20]),
        (
            "https://hooks-of-a-long-host-1.test/services/T0/B0/0123456789abcdefghij",
            "https://hooks-of-a-long-host-1.test/services/T0/B0/***",
            ["0123456789abcdefghij"],
        ),
        ("https://h.test/a-long-name-without-numbers", "https://h.test/a-long-name-without-numbers", []),
        ("https://h.test/***?token=***", "https://h.test/***?token=***", ["***", "***"]),
        ("no url", "***", []),
    ],
)
def test_of_a_url_the_secret_parts_are_masked(url: str, shown: str, secrets: list[str]) -> None:
    assert schema_urls.mask(url) == shown
    assert list(schema_urls.secrets(url)) == secrets
