"""Prometheus's own checker: the system's, or what tests/metrics/install.sh took out of Debian's package."""

import shutil
from pathlib import Path

import pytest

TAKEN = Path(__file__).parent / "tools/usr/bin/promtool"


def promtool() -> str:
    """Where it is; skips the test where it cannot be had."""
    found = shutil.which("promtool") or (str(TAKEN) if TAKEN.exists() else None)
    if found is None:
        pytest.skip("no promtool, and no Debian of which tests/metrics/install.sh (`make test`) could take it")
    return found
