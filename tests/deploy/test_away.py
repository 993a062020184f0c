"""What answers while no web pod is ready: the chart's configuration, in a real nginx, by itself and in front."""

import contextlib
import http.client
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.deploy.chart import containers, of_kind, part
from tests.deploy.product import VARIABLES
from tests.deploy.test_alive import has_ipv6
from tests.stack.harness import eventually, free_port

TAKEN = Path(__file__).parent / "tools/nginx"
IN_FRONT = ("--set", "away.inFront=true")


def files(*options: str) -> dict[str, str]:
    (found,) = (one for one in of_kind("multi", "ConfigMap", *options) if part(one) == "away")
    data: dict[str, str] = found["data"]
    return data


def config(*options: str) -> str:
    return files(*options)["default.conf"]


def main(folder: Path) -> str:
    """The file that its pods start with, for a folder in place of their own."""
    return files()["main"].replace("/tmp/", f"{folder}/").replace("/etc/nginx/conf.d/", f"{folder}/")


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


@contextlib.contextmanager
def nginx(folder: Path, configuration: str) -> Iterator[int]:
    """Where it listens."""
    program = shutil.which("nginx") or (str(TAKEN) if TAKEN.exists() else None)
    if program is None:
        pytest.skip("no nginx, and no Debian of which tests/deploy/install.sh (`make test`) could take it")
    number = free_port()
    here = configuration.replace("listen 8080;", f"listen 127.0.0.1:{number};").replace("[::]:8080", f"[::]:{number}")
    (folder / "default.conf").write_text(here)
    (folder / "nginx.conf").write_text(main(folder))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        assert eventually(lambda: process.poll() is not None or answers(number))
        yield number
    finally:
        process.terminate()
        process.wait(20)


def in_front_of(web: int) -> str:
    """The configuration that asks the web pods itself."""
    whole = config(*IN_FRONT)
    assert "http://rudderproj-web:8080;" in whole
    return whole.replace("rudderproj-web:8080", f"127.0.0.1:{web}")


@pytest.fixture(params=["behind", "in front"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Asked by a controller that found no web pod, and asked first, with no web pod behind."""
    with nginx(tmp_path, config() if request.param == "behind" else in_front_of(free_port())) as number:
        yield number


class Web(BaseHTTPRequestHandler):
    """In place of a web pod: answers what it was asked, refuses /full with 503 as one that is too busy."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503 if self.path == "/full" else 200)
        for name, value in {
            "Content-Length": "0",
            "X-Path": self.path,
            "X-Length": str(len(body)),
            "X-From": self.headers["X-Forwarded-For"],
            "X-Host": self.headers["Host"],
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def web() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


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


def test_it_takes_no_more_memory_on_a_node_of_many_cpus(tmp_path: Path) -> None:
    """A worker for each, as the image would have, does not fit into its limit."""
    with nginx(tmp_path, config()):
        master = (tmp_path / "nginx.pid").read_text().strip()
        children = Path(f"/proc/{master}/task/{master}/children")
        assert eventually(lambda: len(children.read_text().split()) == 2)
    container = dict(containers("multi"))["away"]
    (mount,) = (one["mountPath"] for one in container["volumeMounts"] if one["name"] == "answer")
    assert "worker_processes 2;" in files()["main"]
    assert container["command"] == ["nginx", "-c", f"{mount}/main"]
    assert [name for name in files() if name.endswith(".conf")] == ["default.conf"]  # which older pods would include


def test_its_connections_do_not_end_at_the_few_files_that_a_runtime_may_begin_with(tmp_path: Path) -> None:
    with nginx(tmp_path, config()):
        master = (tmp_path / "nginx.pid").read_text().strip()
        children = Path(f"/proc/{master}/task/{master}/children")
        assert eventually(lambda: len(children.read_text().split()) == 2)
        for worker in children.read_text().split():
            limits = Path(f"/proc/{worker}/limits").read_text()
            (found,) = re.findall(r"^Max open files +(\d+)", limits, re.MULTILINE)
            (connections,) = re.findall(r"worker_connections (\d+);", files()["main"])
            assert int(found) >= 2 * int(connections)  # in front, one to the client and one to the web pod
            assert int(found) == 8192


def test_a_browser_may_ask_at_all(port: int) -> None:
    wanted = {"Origin": "https://shop.example.com", "Access-Control-Request-Headers": "authorization,anonymousid"}
    status, headers = ask(port, "OPTIONS", "/v1/track", headers=wanted)
    assert status == 204
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-headers"] == "authorization,anonymousid"
    assert "POST" in headers["access-control-allow-methods"]


def test_in_front_it_changes_nothing_of_what_a_web_pod_is_asked_and_answers(tmp_path: Path, web: int) -> None:
    with nginx(tmp_path, in_front_of(web)) as number:
        asked = {"Host": "events.example.com", "X-Forwarded-For": "203.0.113.9"}
        status, headers = ask(number, "POST", "/v1/batch?a=%2F", b"x" * 10_485_760, asked)
        assert (status, headers["x-path"], headers["x-length"]) == (200, "/v1/batch?a=%2F", "10485760")
        assert (headers["x-from"], headers["x-host"]) == ("203.0.113.9, 127.0.0.1", "events.example.com")
        status, headers = ask(number, "POST", "/full", b"{}")
        assert (status, headers["x-path"]) == (503, "/full")


def test_with_ipv6_it_is_asked_by_either_address(tmp_path: Path) -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 on this machine: ::1 cannot be had")
    with nginx(tmp_path, config("--set", "listen=::")) as number:  # once 127.0.0.1 answers
        socket.create_connection(("::1", number), 5).close()


@pytest.mark.parametrize(("options", "backend"), [((), "rudderproj-web"), (IN_FRONT, "rudderproj-away")])
def test_the_ingress_asks_whoever_is_in_front_and_a_policy_lets_that_reach_the_web_pods(
    options: tuple[str, ...], backend: str
) -> None:
    (ingress,) = of_kind("multi", "Ingress", *options)
    assert ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == backend
    names = {key.rpartition("/")[2] for key in ingress["metadata"]["annotations"]}
    assert ({"default-backend", "custom-http-errors"} <= names) == (not options)
    (policy,) = (one for one in of_kind("multi", "NetworkPolicy", *options) if part(one) == "web")
    (rule,) = policy["spec"]["ingress"]
    callers = [
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for peer in rule["from"]
        if "podSelector" in peer
    ]
    assert callers == (["away"] if options else [])
