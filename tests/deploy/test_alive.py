"""What an orchestrator asks of a worker."""

import contextlib
import socket
import urllib.error
import urllib.request

import pytest
from django.conf import settings
from django.test import override_settings

from rudderproj.metrics_server import Endpoint
from tests.stack.harness import eventually, free_port


def answer(port: int, host: str = "127.0.0.1") -> bytes | None:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/health", timeout=5) as response:
            return bytes(response.read())
    except urllib.error.URLError:
        return None


def test_a_worker_says_that_it_lives_without_a_token_or_a_look_at_anything() -> None:
    port = free_port()

    with override_settings(ENV=settings.ENV | {"METRICS_TOKEN": "secret"}):
        Endpoint(("127.0.0.1", port), lambda: pytest.fail("metrics were asked for"))

        eventually(lambda: answer(port) == b"alive")


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as tried:
        tried.bind(("::1", 0))
        return True
    return False


def test_a_worker_says_it_where_addresses_are_of_ipv6_alone() -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 on this machine: ::1 cannot be had")
    port = free_port()

    Endpoint(("::1", port), lambda: pytest.fail("metrics were asked for"))

    assert eventually(lambda: answer(port, "[::1]") == b"alive")
