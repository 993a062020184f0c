"""HTTP clients that are kept: one for each who sends and where to, as long as it is used."""

import pytest
from pyreqwest.client import Client

from rudderproj.http_clients import IDLE_SECONDS, Clients, Key


class Clock:
    """A time that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def client_of(clients: Clients, whose: int, address: str = "192.0.2.1") -> Client:
    return clients.client(key_of(whose), address)


def key_of(whose: int) -> Key:
    return Key(whose, "shared.example", 443, 5.0)


def test_each_has_a_client_of_its_own_and_keeps_it(clock: Clock) -> None:
    clients = Clients(clock)
    first, second = client_of(clients, 1), client_of(clients, 2)
    assert first is not second
    assert (client_of(clients, 1), client_of(clients, 2)) == (first, second)
    assert client_of(clients, 1, "192.0.2.2") is not first
    assert (clients.address(key_of(1)), clients.address(key_of(2)), clients.address(key_of(3))) == (
        "192.0.2.2",
        "192.0.2.1",
        None,
    )


def test_one_that_nobody_used_for_long_is_let_go_of(clock: Clock) -> None:
    clients = Clients(clock)
    first, _ = client_of(clients, 1), client_of(clients, 2)
    clock.now += IDLE_SECONDS
    assert client_of(clients, 1) is first
    clock.now += 1.0
    client_of(clients, 3)
    assert (len(clients), clients.address(key_of(2))) == (2, None)


def test_of_too_many_those_used_the_longest_ago_are_let_go_of(clock: Clock) -> None:
    clients = Clients(clock, most=3)
    kept = [client_of(clients, number) for number in range(3)]
    assert client_of(clients, 0) is kept[0]
    client_of(clients, 3)
    assert [clients.address(key_of(number)) is not None for number in range(4)] == [True, False, True, True]


def test_one_that_was_left_is_not_given_out_again_and_another_stays(clock: Clock) -> None:
    clients = Clients(clock)
    first = client_of(clients, 1)
    clients.leave(key_of(1), first)
    assert clients.address(key_of(1)) is None
    second = client_of(clients, 1)
    clients.leave(key_of(1), first)
    assert client_of(clients, 1) is second is not first


def test_it_is_known_whether_requests_that_share_a_connection_were_answered_since(clock: Clock) -> None:
    clients = Clients(clock)
    client_of(clients, 1)
    assert clients.was_answered(key_of(1), since=2000.0), "they share none, as far as is known"
    clients.answered(key_of(1))
    assert [clients.was_answered(key_of(1), since=moment) for moment in (999.0, 1000.0, 1001.0)] == [True, True, False]
    clients.leave(key_of(1), client_of(clients, 1))
    assert not clients.was_answered(key_of(1), since=1001.0)
