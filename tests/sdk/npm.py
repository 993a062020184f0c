"""Packages of npm, as a lock file pins them.

Without npm (a program of the system's, which we do not install) or without a way to its registry whoever needs them is
skipped. A lock file that is wrong is a fault of ours, and fails.
"""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL_SECONDS = 180
OURS = ("E404", "EINTEGRITY", "EUSAGE")  # no such version, other content, other packages than package.json's


def installed(folder: Path) -> Path:
    """The folder, with the packages of its package-lock.json beside it; skips where they cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("no node and npm on this machine: its package manager has them")
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
        if any(f"npm error code {code}" in error.stderr for code in OURS):
            raise
        pytest.skip(f"no way to npm's registry: {error.stderr.strip().splitlines()[0]}")
    except subprocess.TimeoutExpired:
        pytest.skip(f"no way to npm's registry within {INSTALL_SECONDS} s")
