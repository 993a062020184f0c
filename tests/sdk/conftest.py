"""The stack of the end-to-end tests, and the Node SDK as npm installs it."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import sink, stack

__all__ = ["sink", "stack"]
NODE_FOLDER = Path(__file__).parent / "node"
INSTALL_SECONDS = 180


@pytest.fixture(scope="session")
def node_sdk() -> Path:
    """The folder with send.js and the packages of package-lock.json beside it; skips where they cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    # Workers of pytest-xdist share the folder.
    with (NODE_FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_installed():
            _install()
    return NODE_FOLDER


def _is_installed() -> bool:
    installed, wanted = NODE_FOLDER / "node_modules" / ".package-lock.json", NODE_FOLDER / "package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime


def _install() -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=NODE_FOLDER, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        if "E404" in error.stderr or "EINTEGRITY" in error.stderr:
            raise
        pytest.skip(f"npm cannot install the SDK: {error.stderr.strip().splitlines()[-1]}")
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install the SDK within {INSTALL_SECONDS} s")
