"""What answers while no web pod is ready: the chart's own configuration, in a real nginx."""

import http.client
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.deploy.chart import of_kind, part
from tests.deploy.product import VARIABLES
from tests.stack.harness import eventually, free_port

TAKEN = Path(__file__).parent / "tools/nginx"
MAIN = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/default.conf;
}}
"""


def config() -> str:
    (found,) = (one for one in of_kind("multi", "ConfigMap") if part(one) == "away")
    return str(found["data"]["default.conf"])


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str]]:
    """Status and headers, by their names in lower case."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/alive")[0] == 200
    except OSError:
        return False


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where it listens."""
    program = shutil.which("nginx") or (str(TAKEN) if TAKEN.exists() else None)
    if program is None:
        pytest.skip("no nginx, and no Debian of which tests/deploy/install.sh (`make test`) could take it")
    number = free_port()
    (tmp_path / "default.conf").write_text(config().replace("listen 8080;", f"listen 127.0.0.1:{number};"))
    (tmp_path / "nginx.conf").write_text(MAIN.format(folder=tmp_path))
    process = subprocess.Popen([program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    try:
        assert eventually(lambda: process.poll() is not None or answers(number))
        yield number
    finally:
        process.terminate()
        process.wait(20)


def test_an_sdk_is_told_when_to_come_back_whatever_it_asks(port: int) -> None:
    later = VARIABLES["RETRY_AFTER_SECONDS"].default
    for method, path, body in (
        ("POST", "/v1/track", b"{}"),
        ("POST", "/v1/batch", b"x" * 10_485_760),  # as large as the product takes: no 413 here
        ("GET", "/sourceConfig", b""),
        ("GET", "/", b""),
    ):
        status, headers = ask(port, method, path, body)
        assert (status, headers["retry-after"]) == (503, later), path
        assert headers["access-control-allow-origin"] == "*"
        assert headers["access-control-expose-headers"] == "Retry-After"


def test_a_browser_may_ask_at_all(port: int) -> None:
    wanted = {"Origin": "https://shop.example.com", "Access-Control-Request-Headers": "authorization,anonymousid"}
    status, headers = ask(port, "OPTIONS", "/v1/track", headers=wanted)
    assert status == 204
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-headers"] == "authorization,anonymousid"
    assert "POST" in headers["access-control-allow-methods"]
