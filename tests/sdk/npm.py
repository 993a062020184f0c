"""Packages of npm, as a lock file pins them. Must never fail a test for want of npm: whoever needs it is skipped."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL_SECONDS = 180


def installed(folder: Path) -> Path:
    """The folder, with the packages of its package-lock.json beside it; skips where they cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    # Workers of pytest-xdist share the folder.
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(folder):
            _install(folder)
    return folder


def _is_current(folder: Path) -> bool:
    found, wanted = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    return found.exists() and found.stat().st_mtime >= wanted.stat().st_mtime


def _install(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        if "E404" in error.stderr or "EINTEGRITY" in error.stderr:
            raise
        pytest.skip(f"npm cannot install the SDK: {error.stderr.strip().splitlines()[-1]}")
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install the SDK within {INSTALL_SECONDS} s")
