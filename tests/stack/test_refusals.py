"""Every foreseeable failure of a start is one line on standard error and the right exit code."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .harness import ROOT, clean_environ

NOBODY = 65534


def refused(data_dir: Path, **extra: str) -> tuple[int, str]:
    """Exit code and standard error of a start that must not succeed."""
    result = subprocess.run(
        [sys.executable, "-m", "rudderproj.stack", "run"],
        cwd=ROOT,
        env=clean_environ(DATA_DIR=str(data_dir), **extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout == ""
    return result.returncode, result.stderr


@pytest.mark.parametrize("variable", ["WEB_PORT", "FLOWER_PORT"])
def test_a_port_in_use_is_named_with_its_variable(tmp_path: Path, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as other:
            ports = {"WEB_PORT": str(other.getsockname()[1]), "FLOWER_PORT": str(other.getsockname()[1])}
        answer = refused(tmp_path / "data", **(ports | {variable: str(port)}))
    assert answer == (1, f"rudderproj: port {port} is in use; free it or set {variable} to another port\n")


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("WEB_PORT", "70000", "rudderproj: WEB_PORT ('70000'): expected a port, 1 to 65535\n"),
        ("WEB_HOST", "no.such.host.invalid", "rudderproj: no.such.host.invalid is not an address to listen on\n"),
    ],
)
def test_a_wrong_value_is_wrong_use(tmp_path: Path, variable: str, value: str, line: str) -> None:
    assert refused(tmp_path / "data", **{variable: value}) == (2, line)


def test_an_unreadable_variable_is_named(tmp_path: Path) -> None:
    code, line = refused(tmp_path / "data", WEB_PORT="eighty")
    assert code == 2
    assert line.startswith("rudderproj: WEB_PORT ('eighty'): ")
    assert line.count("\n") == 1


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert refused(tmp_path / "data") == (
        1,
        f"rudderproj: DATA_DIR {tmp_path / 'data'}: File exists; choose another with DATA_DIR=...\n",
    )


def test_broken_secrets_are_not_replaced(tmp_path: Path) -> None:
    secrets = tmp_path / "data/secrets.json"
    secrets.parent.mkdir()
    secrets.write_text("{")
    assert refused(tmp_path / "data") == (
        1,
        f"rudderproj: {secrets} is not valid JSON; restore it or remove the data folder\n",
    )
    assert secrets.read_text() == "{"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_a_data_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", NOBODY, -1)
    assert refused(tmp_path / "data") == (
        1,
        f"rudderproj: DATA_DIR {tmp_path / 'data'} belongs to user id {NOBODY}, you are 0; "
        "choose another with DATA_DIR=...\n",
    )


def test_an_unreachable_database_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as flower:
        ports = {"WEB_PORT": str(web.getsockname()[1]), "FLOWER_PORT": str(flower.getsockname()[1])}
    urls = {"DATABASE_URL": f"postgresql://u:secret@127.0.0.1:{port}/x", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    code, line = refused(tmp_path / "data", **ports, **urls)
    assert code == 1
    assert line.startswith(
        f'rudderproj: cannot use the database of DATABASE_URL: connection to server at "127.0.0.1", port {port}'
    )
    assert line.count("\n") == 1
    assert "secret" not in line
