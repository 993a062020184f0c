"""Fixtures: the whole product on the test database, and on a database and broker that a test may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.services import Services
from tests.e2e.sink import Sink, recording
from tests.e2e.stack import Stack, running


@pytest.fixture
def sink() -> Iterator[Sink]:
    with recording() as found:
        yield found


@pytest.fixture
def stack(process_env: dict[str, str], tmp_path: Path, sink: Sink) -> Iterator[Stack]:
    """Everything running, one source and one webhook destination that is the sink.

    Recovery is off: these tests kill more than it stands by, and what it does is seen in tests of its own.
    """
    with running(process_env | {"RECOVERY_ENABLED": "0"}, tmp_path) as found:
        found.connect(sink.url)
        yield found


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    found = Services(tmp_path_factory.mktemp("services"))
    yield found
    found.close()


@pytest.fixture
def mortal_stack(services: Services, tmp_path: Path, sink: Sink) -> Iterator[Stack]:
    """The same on services of its own."""
    with running(services.environ, tmp_path) as found:
        found.connect(sink.url)
        yield found
