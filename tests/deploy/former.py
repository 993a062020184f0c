"""The code of the previous release, out of the repository's history."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.docs.pages import ROOT


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout


def _lines(*arguments: str) -> list[str]:
    return _git(*arguments).decode().split()


def commit() -> str:
    """The last release before this code, else what was there before the newest migration. Skips where nobody knows."""
    try:
        released = _lines("tag", "--list", "v*", "--merged", "HEAD~1", "--sort=-creatordate")
        added = _lines("log", "-1", "--diff-filter=A", "--format=%H", "--", "*/migrations/0*.py")
        return _lines("rev-parse", "--verify", f"{released[0]}^{{commit}}" if released else f"{added[0]}~1")[0]
    except (OSError, IndexError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no history here to take the previous release from: {error}")


def unpacked(folder: Path) -> Path:
    """That code, in this folder."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit()))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def migrations(folder: Path) -> set[str]:
    """The names of all migrations below, as `app/number_name`."""
    found = (*folder.glob("*/migrations/0*.py"), *folder.glob("*/*/migrations/0*.py"))
    return {f"{path.parents[1].name}/{path.stem}" for path in found}
