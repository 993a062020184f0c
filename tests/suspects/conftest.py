"""The sink and world of the forwarding tests, and pools whose processes may die."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forwarding.conftest import sink, world
from tests.suspects.pool import Pool, pool

__all__ = ["sink", "world"]


@pytest.fixture
def pool_env(process_env: dict[str, str]) -> dict[str, str]:
    return process_env | {"FORWARD_BUDGET_SECONDS": "1", "FORWARD_TIMEOUT_SECONDS": "2", "LOG_LEVEL": "WARNING"}


@pytest.fixture
def processes(pool_env: dict[str, str], tmp_path: Path) -> Iterator[Pool]:
    with pool(pool_env, tmp_path / "pool") as started:
        yield started
