"""What the drills put in front of web processes: only those that are ready are asked, and no request is asked twice."""

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.balancer import Balancer, balancing
from drills.stack import Stack
from tests.stack.harness import eventually
from tests.stubs.server import Server


class Backend(Stack):
    """A web process made of one answer; `posts` counts what it was sent."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        self.is_up, self.hangs_up, self.posts = True, False, 0
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(200 if backend.is_up else 503)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                backend.posts += 1
                if backend.hangs_up:
                    self.close_connection = True
                else:
                    self._answer(200)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.web_port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def backends(tmp_path: Path) -> Iterator[tuple[Backend, Backend]]:
    found = Backend(tmp_path / "a"), Backend(tmp_path / "b")
    yield found
    for one in found:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture
def balancer(backends: tuple[Backend, Backend]) -> Iterator[Balancer]:
    with balancing() as found:
        found.add(*backends)
        eventually(lambda: all(map(found.serves, backends)))
        yield found


def post(balancer: Balancer, times: int = 1) -> list[int | None]:
    """Statuses over one connection; None for no answer, which ends it."""
    statuses: list[int | None] = []
    connection = http.client.HTTPConnection(balancer.host, balancer.port, timeout=10)
    with contextlib.closing(connection):
        for _ in range(times):
            try:
                connection.request("POST", "/v1/track", b"{}")
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            except (OSError, http.client.HTTPException):
                return [*statuses, None]
    return statuses


def test_requests_go_by_turns(balancer: Balancer, backends: tuple[Backend, Backend]) -> None:
    assert post(balancer, 10) == [200] * 10
    assert [one.posts for one in backends] == [5, 5]


def test_one_that_is_taken_out_gets_nothing_and_comes_back(
    balancer: Balancer, backends: tuple[Backend, Backend]
) -> None:
    balancer.take_out(backends[0])
    assert post(balancer, 4) == [200] * 4
    assert [one.posts for one in backends] == [0, 4]

    balancer.take_out(backends[0], is_out=False)
    assert post(balancer, 2) == [200] * 2
    assert [one.posts for one in backends] == [1, 5]


def test_one_that_is_not_ready_gets_nothing_and_while_none_is_clients_are_told(
    balancer: Balancer, backends: tuple[Backend, Backend]
) -> None:
    backends[0].is_up = False
    eventually(lambda: not balancer.serves(backends[0]))
    assert post(balancer, 3) == [200] * 3
    assert backends[0].posts == 0

    backends[1].is_up = False
    eventually(lambda: not balancer.serves(backends[1]))
    assert post(balancer) == [503]


def test_a_request_that_was_sent_and_not_answered_is_not_sent_to_another(
    balancer: Balancer, backends: tuple[Backend, Backend]
) -> None:
    """That would be a copy which the client knows nothing of."""
    for one in backends:
        one.hangs_up = True
    assert post(balancer) == [None]
    assert sum(one.posts for one in backends) == 1


def test_one_whose_port_is_closed_costs_no_request(balancer: Balancer, backends: tuple[Backend, Backend]) -> None:
    backends[0].server.shutdown()
    backends[0].server.server_close()
    assert post(balancer, 4) == [200] * 4
