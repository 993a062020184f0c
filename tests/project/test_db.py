"""A connection that a process keeps: one for many runs, another once it was lost."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.db import connection
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj import fork_safety
from rudderproj.db import Kept
from rudderproj.guard import registrar


@pytest.fixture
def kept(transactional_db: None) -> Iterator[Kept]:
    made = Kept("kept", 10)
    yield made
    made.close()


def backend(raw: Connection) -> int:
    """Asks the server, so that a lost connection is noticed."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone() or (0,)
        return int(pid)


def end(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        assert cursor.fetchone() == (True,)


def test_runs_share_one_connection(kept: Kept) -> None:
    assert kept.run(backend) == kept.run(backend)


def test_what_meets_a_lost_connection_is_done_over_a_new_one(kept: Kept) -> None:
    first = kept.run(backend)
    end(first)
    assert kept.run(backend) != first


def test_a_connection_that_is_lost_twice_is_an_error(kept: Kept) -> None:
    tries = []

    def ended_meanwhile(raw: Connection) -> int:
        tries.append(backend(raw))
        end(tries[-1])
        return backend(raw)

    kept.run(backend)
    with pytest.raises(psycopg2.OperationalError):
        kept.run(ended_meanwhile)
    assert len(set(tries)) == 2


def test_an_error_of_the_statement_is_raised_at_once_and_leaves_a_new_connection(kept: Kept) -> None:
    first = kept.run(backend)
    tries = []

    def wrong(raw: Connection) -> None:
        tries.append(1)
        with raw.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    with pytest.raises(psycopg2.errors.DivisionByZero):
        kept.run(wrong)
    assert tries == [1]
    assert kept.run(backend) != first


def test_a_fork_has_a_connection_of_its_own(kept: Kept) -> None:
    first = kept.run(backend)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(kept.run(backend)).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    other = int(os.read(read, 100))
    os.close(read)
    os.close(write)
    assert other != first
    assert kept.run(backend) == first


def test_no_fork_cuts_the_opening_of_a_connection_in_half(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, inside = psycopg2.connect, list[int]()

    def counted(*args: Any, **kwargs: Any) -> Any:
        inside.append(fork_safety._gate._inside)
        return connect(*args, **kwargs)

    monkeypatch.setattr(psycopg2, "connect", counted)
    kept.run(backend)
    registrar.connect().close()
    assert (inside, fork_safety._gate._inside) == ([1, 1], 0)


def test_the_server_lets_go_of_a_client_whose_host_vanished(kept: Kept) -> None:
    """With its session go the locks that it holds: over TCP, which alone can lose a host without a word."""

    wanted = {"idle": "10", "interval": "3", "count": "3"}

    def told(raw: Connection) -> dict[str, str]:
        found = {}
        with raw.cursor() as cursor:
            for name in wanted:
                cursor.execute(f"SHOW tcp_keepalives_{name}")
                (found[name],) = cursor.fetchone() or ("",)
        return found

    assert connection.settings_dict["HOST"] == "127.0.0.1"
    assert kept.run(told) == wanted
