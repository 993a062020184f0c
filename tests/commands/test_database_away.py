"""Every command, run as a user runs it, while the database is away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT


@pytest.mark.process
@pytest.mark.parametrize(
    "command",
    ["deadletters", "destination list", "mode", "replay list", "rotate-secrets --check", "token list", "unlock"],
)
def test_a_command_without_its_database_says_so_in_one_line(command: str, tmp_path: Path) -> None:
    away = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", *command.split()], cwd=ROOT, env=os.environ | away, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("the database does not answer: connection to server at ")
