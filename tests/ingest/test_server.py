"""The web process as clients see it: whole bodies only, slow clients, limits, start and end."""

import contextlib
import gzip
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from ingest.models import Event

from .web import ROOT, WebProcess, answer, basic, head

pytestmark = pytest.mark.slow  # each starts a process of ours

Stored = Callable[[], list[dict[str, Any]]]
PATIENCE_SECONDS = 30


def eventually(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(message_id: str) -> bytes:
    return json.dumps({"userId": "u", "messageId": message_id}).encode()


def ids(stored: Stored) -> list[str]:
    return [event["messageId"] for event in stored()]


def test_a_single_request_is_stored_and_answered(web: WebProcess, stored: Stored) -> None:
    status, headers, body = web.track({"userId": "u", "messageId": "m"})

    assert (status, body, headers["content-type"]) == (200, b"OK", "text/plain; charset=utf-8")
    assert headers["access-control-allow-origin"] == "*"
    assert stored()[0]["request_ip"] == "127.0.0.1"


def test_a_chunked_body_is_whole_at_its_last_chunk(web: WebProcess, stored: Stored) -> None:
    body = event("chunked")
    with web.connect() as client:
        client.sendall(head("/v1/track", "Transfer-Encoding: chunked") + chunk(body[:10]))
        client.sendall(chunk(body[10:]) + b"0\r\n\r\n")
        assert answer(client) == (200, b"OK")

    assert ids(stored) == ["chunked"]


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param((f"Content-Length: {len(event('cut')) + 5}", event("cut")), id="small"),
        pytest.param(("Content-Length: 200000", event("cut") + b" " * 100_000), id="large"),
        pytest.param(("Transfer-Encoding: chunked", chunk(event("cut"))), id="between chunks"),
        pytest.param(("Transfer-Encoding: chunked", b"1000\r\n" + event("cut")), id="within a chunk"),
        pytest.param(("Transfer-Encoding: chunked", chunk(event("cut")) + b"0\r\n"), id="before the last line"),
    ],
)
def test_a_body_cut_off_is_never_taken_for_whole(web: WebProcess, stored: Stored, cut: tuple[str, bytes]) -> None:
    """What arrived is a whole event each time; only the framing says that more was to come."""
    declared, body = cut
    with web.connect() as client:
        client.sendall(head("/v1/track", declared) + body)
        client.shutdown(socket.SHUT_WR)
        assert answer(client) == (400, b"request body is incomplete or malformed")
    with web.connect() as client:
        client.sendall(head("/v1/track", declared) + body)

    assert web.track({"userId": "u", "messageId": "next"})[0] == 200
    assert ids(stored) == ["next"]


def test_bad_chunking_is_refused_with_400(web: WebProcess, stored: Stored) -> None:
    with web.connect() as client:
        client.sendall(head("/v1/track", "Transfer-Encoding: chunked") + chunk(event("bad")) + b"zz\r\n")
        assert answer(client) == (400, b"request body is incomplete or malformed")

    assert ids(stored) == []


def test_a_body_declared_too_large_is_refused_before_it_is_sent(web: WebProcess) -> None:
    with web.connect() as client:
        client.sendall(head("/v1/track", "Content-Length: 100000000"))
        assert answer(client) == (413, b"request size exceeds max limit")


def test_a_chunked_body_is_refused_when_it_grows_too_large_and_not_at_its_end(web: WebProcess) -> None:
    with web.connect() as client:
        client.sendall(head("/v1/track", "Transfer-Encoding: chunked"))
        for _ in range(11):
            client.sendall(chunk(b" " * 1024 * 1024))
        assert answer(client) == (413, b"request size exceeds max limit")


def test_a_client_that_sends_too_much_before_it_listens_sees_the_413(web: WebProcess) -> None:
    status, headers, body = web.request("POST", "/v1/batch", b" " * 15_000_000, Authorization=basic("WK"))

    assert (status, body) == (413, b"request size exceeds max limit")
    assert headers["access-control-allow-origin"] == "*"


def test_a_gzip_bomb_is_refused_and_harms_nobody(web: WebProcess) -> None:
    bomb = gzip.compress(b'{"userId": "' + b"a" * 200_000_000 + b'"}', 9)
    refused = web.request("POST", "/v1/track", bomb, Authorization=basic("WK"), Content_Encoding="gzip")

    assert (refused[0], refused[2]) == (413, b"request size exceeds max limit")
    assert web.track({"userId": "u"})[0] == 200


def test_hundreds_of_slow_clients_do_not_keep_others_waiting(web: WebProcess, stored: Stored) -> None:
    body = event("slow")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(web.connect()) for _ in range(300)]
        for client in slow:
            client.sendall(head("/v1/track", f"Content-Length: {len(body)}") + body[:5])

        assert [web.track({"userId": "u"}, timeout=5)[0] for _ in range(20)] == [200] * 20

        for client in slow:
            client.sendall(body[5:])
        assert {answer(client) for client in slow} == {(200, b"OK")}
    assert ids(stored).count("slow") == 1


def test_two_requests_share_a_connection(web: WebProcess, stored: Stored) -> None:
    with web.connect() as client:
        for message_id in ("a", "b"):
            body = event(message_id)
            client.sendall(head("/v1/track", f"Content-Length: {len(body)}") + body)
            assert answer(client) == (200, b"OK")

    assert ids(stored) == ["a", "b"]


def test_pages_for_people_are_served_with_their_files_and_only_under_allowed_names(web: WebProcess) -> None:
    page = web.get("/admin/login/")
    assert page[0] == 200
    assert "access-control-allow-origin" not in page[1]
    assert web.get("/static/admin/css/base.css")[1]["content-type"].startswith("text/css")
    assert web.request("GET", "/admin/login/", Host="evil.example")[0] == 400
    assert web.request("OPTIONS", "/v1/track", Host="any.example")[0] == 200


def test_probes_and_small_files(web: WebProcess) -> None:
    eventually(lambda: json.loads(web.get("/health")[2])["db"] == "UP")
    assert json.loads(web.get("/health")[2]) == {
        "server": "UP",
        "db": "UP",
        "acceptingEvents": "TRUE",
        "routingEvents": "TRUE",
        "mode": "NORMAL",
    }
    assert web.get("/ready")[::2] == (200, b"ready")
    assert json.loads(web.get("/version")[2]) == {"version": "0.1.0"}
    assert web.get("/robots.txt")[2] == b"User-agent: *\nDisallow: /\n"


def test_a_client_that_takes_too_long_for_its_body_is_told_to_come_back(start: Callable[..., WebProcess]) -> None:
    web = start(INGEST_BODY_TIMEOUT_SECONDS="0.2")
    for declared in ("Content-Length: 1000", "Content-Length: 1000000", "Transfer-Encoding: chunked"):
        with web.connect() as client:
            client.sendall(head("/v1/track", declared) + b"5")
            assert answer(client) == (503, b"service unavailable")


def test_bodies_that_fill_the_memory_for_them_are_told_to_come_back(start: Callable[..., WebProcess]) -> None:
    web = start(WEB_BODY_MEMORY_BYTES="1000000", INGEST_MAX_BODY_BYTES="1000000")
    with web.connect() as first, web.connect() as second:
        first.sendall(head("/v1/track", "Content-Length: 900000") + b" " * 800_000)
        time.sleep(0.2)
        second.sendall(head("/v1/track", "Content-Length: 900000") + b" " * 800_000)
        statuses = set()
        first.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            statuses.add(answer(first))
        second.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            statuses.add(answer(second))
        assert statuses == {(503, b"service unavailable")}
    eventually(lambda: web.track({"userId": "u"})[0] == 200)


@contextlib.contextmanager
def commits_held() -> Iterator[None]:
    """Keep every commit of the log waiting."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE ingest_event IN ACCESS EXCLUSIVE MODE")
        yield


def a_commit_waits() -> bool:
    with connection.cursor() as cursor:
        # Not pg_stat_activity, which shows a transaction the same picture for ever.
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'ingest_event'::regclass)")
        return bool(cursor.fetchone()[0])


def test_more_requests_than_may_wait_are_refused_at_once_and_the_waiting_ones_stored(
    start: Callable[..., WebProcess], stored: Stored
) -> None:
    web = start(WEB_MAX_REQUESTS="1", WEB_THREADS="1")
    results: list[int] = []
    with commits_held():
        waiting = threading.Thread(target=lambda: results.append(web.track({"userId": "u", "messageId": "m"})[0]))
        waiting.start()
        eventually(a_commit_waits)
        status, headers, body = web.track({"userId": "u", "messageId": "refused"})
        assert (status, headers["retry-after"], body) == (503, "15", b"service unavailable")
        assert headers["access-control-allow-origin"] == "*"
        pixel = web.get("/pixel/v1/track?writeKey=WK&userId=u")
        assert (pixel[0], pixel[1]["content-type"], pixel[2][:6]) == (503, "image/gif", b"GIF89a")
        assert web.get("/health")[0] == 200
        assert web.request("OPTIONS", "/v1/track")[0] == 200
    waiting.join()

    assert results == [200]
    assert ids(stored) == ["m"]


def test_a_commit_that_takes_too_long_is_answered_503_and_can_be_sent_again(
    start: Callable[..., WebProcess], stored: Stored
) -> None:
    web = start(INGEST_COMMIT_TIMEOUT_SECONDS="0.5")
    assert web.track({"userId": "u", "messageId": "first"})[0] == 200  # it has its connection
    with commits_held():
        status, headers, body = web.track({"userId": "u", "messageId": "m"})
    assert (status, headers["retry-after"], body) == (503, "15", b"service unavailable")

    assert web.track({"userId": "u", "messageId": "m"})[0] == 200
    assert ids(stored) == ["first", "m"]


def test_sigterm_answers_what_is_in_flight_and_ends_with_0(start: Callable[..., WebProcess], stored: Stored) -> None:
    web = start()
    results: list[int] = []
    with commits_held():
        waiting = threading.Thread(target=lambda: results.append(web.track({"userId": "u", "messageId": "m"})[0]))
        waiting.start()
        eventually(a_commit_waits)
        web.process.terminate()
        eventually(lambda: "web.stopping" in web.output())
    waiting.join()

    assert results == [200]
    assert web.process.wait(PATIENCE_SECONDS) == 0
    assert ids(stored) == ["m"]


@pytest.mark.slow
def test_sigterm_does_not_wait_for_clients_that_never_finish(start: Callable[..., WebProcess]) -> None:
    """Nor for one that stopped amid its headers, nor for one that never reads its answers."""
    web = start()
    with web.connect() as client, web.connect() as silent, web.connect() as deaf:
        client.sendall(head("/v1/track", "Content-Length: 1000") + b"{")
        silent.sendall(b"POST /v1/track HT")
        deaf.sendall(b"GET /static/unfold/css/styles.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        time.sleep(0.2)
        web.process.terminate()
        assert answer(client) == (503, b"service unavailable")
        assert web.process.wait(PATIENCE_SECONDS) == 0


def test_a_killed_web_process_leaves_nothing_that_serves(start: Callable[..., WebProcess]) -> None:
    web = start()
    web.process.kill()

    assert web.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    with pytest.raises(ConnectionRefusedError):
        web.connect()


def test_a_port_in_use_is_one_clear_line(web: WebProcess, process_env: dict[str, str]) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "rudderproj.server"],
        cwd=ROOT,
        env=process_env | {"WEB_HOST": "127.0.0.1", "WEB_PORT": str(web.port)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert second.returncode == 1
    assert second.stderr == f"rudderproj: cannot listen on 127.0.0.1:{web.port}: Address already in use\n"


def test_concurrent_copies_are_stored_once_and_all_answered_200(web: WebProcess) -> None:
    results: list[int] = []

    def send(number: int) -> None:
        results.append(web.track({"userId": "u", "messageId": f"m{number % 5}"})[0])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [200] * 40
    assert Event.objects.count() == 5
