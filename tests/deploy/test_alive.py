"""What an orchestrator asks of a worker."""

import urllib.error
import urllib.request

import pytest
from django.conf import settings
from django.test import override_settings

from rudderproj.metrics_server import Endpoint
from tests.stack.harness import eventually, free_port


def answer(port: int) -> bytes | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return bytes(response.read())
    except urllib.error.URLError:
        return None


def test_a_worker_says_that_it_lives_without_a_token_or_a_look_at_anything() -> None:
    port = free_port()

    with override_settings(ENV=settings.ENV | {"METRICS_TOKEN": "secret"}):
        Endpoint(("127.0.0.1", port), lambda: pytest.fail("metrics were asked for"))

        eventually(lambda: answer(port) == b"alive")
