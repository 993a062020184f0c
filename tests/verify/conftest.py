"""One PostgreSQL and Valkey for all of these tests, which kill them."""

from collections.abc import Iterator

import pytest

from tests.e2e.services import Services


@pytest.fixture(scope="package")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    found = Services(tmp_path_factory.mktemp("services"))
    yield found
    found.close()
