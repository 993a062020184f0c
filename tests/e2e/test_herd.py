"""Hundreds of clients that come back in the same second after an outage: held off where need be, and all served."""

import contextlib
import threading
from collections.abc import Iterator

import pytest

from tests.e2e.herd import Herd
from tests.e2e.services import Services
from tests.e2e.stack import Stack, running
from tests.stack.harness import eventually

pytestmark = pytest.mark.slow
CLIENTS = 500
EVENTS = 4
# Fewer than there are clients: whoever comes in excess must be held off.
SETTINGS = {"WEB_MAX_REQUESTS": "100", "RETRY_AFTER_SECONDS": "1", "RECOVERY_ENABLED": "0"}
LIMITS = {"away": None, "stopped": None, "limited": 300}  # of each source, events a second


@pytest.fixture(scope="module")
def web(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(services.environ | SETTINGS, tmp_path_factory.mktemp("web"), "web") as found:
        found.apply(sources=[{"name": key, "write_key": key, "rate_limit": rate} for key, rate in LIMITS.items()])
        yield found


@contextlib.contextmanager
def returning(web: Stack, key: str) -> Iterator[Herd]:
    """A herd that has begun to send; at the end of the block all of it is accepted, and stored once and in order."""
    herd = Herd(web.web_port, key, CLIENTS, EVENTS)
    thread = threading.Thread(target=herd.run)
    thread.start()
    yield herd
    thread.join()
    assert herd.answers[200] == CLIENTS * EVENTS
    assert set(herd.answers) <= {0, 200, 429, 503}
    assert web.stored(key) == herd.expected()


def test_after_a_database_that_was_away(web: Stack, services: Services) -> None:
    with contextlib.ExitStack() as until_all_are_served, services.away("postgres"):
        herd = until_all_are_served.enter_context(returning(web, "away"))
        eventually(lambda: len(herd.turned_away) == CLIENTS)

    assert herd.answers[503] >= CLIENTS
    assert herd.answers[0] == 0


def test_after_a_web_process_that_was_gone(web: Stack) -> None:
    web.kill("web")
    with returning(web, "stopped") as herd:
        eventually(lambda: len(herd.turned_away) == CLIENTS)
        web.start("web")


def test_under_a_limit_of_their_source(web: Stack) -> None:
    with returning(web, "limited") as herd:
        pass

    assert herd.answers[429] > 0
