"""One deployment for all tests of this folder: its start takes longer than most of them."""

from collections.abc import Iterator

import pytest

from tests.e2e.sink import Sink, recording
from tests.recovery_e2e.deployment import ROLES, Deployment, deployed


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("recovery")) as found:
        yield found


@pytest.fixture
def sink() -> Iterator[Sink]:
    with recording() as found:
        yield found


@pytest.fixture
def deployment(shared: Deployment, sink: Sink) -> Iterator[Deployment]:
    """Normal, with nothing crashed yet, and the sink as its one destination of the tests."""
    shared.forget_crashes()
    shared.connect(sink.url)
    yield shared
    for role in ROLES:
        shared.die(role, 0)
