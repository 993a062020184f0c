"""The stack of the end-to-end tests, and the Node SDK as npm installs it."""

from pathlib import Path

import pytest

from tests.e2e.conftest import sink, stack
from tests.sdk import npm

__all__ = ["sink", "stack"]


@pytest.fixture(scope="session")
def node_sdk() -> Path:
    """The folder with send.js and the SDKs it uses."""
    return npm.installed(Path(__file__).parent / "node")
