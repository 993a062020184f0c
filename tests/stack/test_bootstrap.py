"""The script that makes .venv: refuses with one line, installs once, repairs a half-made environment."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .harness import ROOT

# Stand-ins for Pythons that this machine may not have.
TOO_OLD = "import sys; sys.version_info = (3, 10, 12)"
WITHOUT_VENV = (
    "import importlib.util as u; find = u.find_spec; u.find_spec = lambda n: None if n == 'ensurepip' else find(n)"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with nothing to install."""
    script = tmp_path / "rudderproj/stack/bootstrap.py"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "rudderproj/stack/bootstrap.py", script)
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    return tmp_path


def bootstrap(checkout: Path, before: str = "pass", requirements: str = "requirements.txt") -> tuple[int, str]:
    """Exit code and standard error of the script in a Python prepared by `before`."""
    script = str(checkout / "rudderproj/stack/bootstrap.py")
    code = (
        f"{before}\nimport runpy, sys; sys.argv = [{script!r}, {requirements!r}]; "
        f"runpy.run_path({script!r}, run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return result.returncode, result.stderr


def test_an_old_python_is_refused_with_one_line(checkout: Path) -> None:
    assert bootstrap(checkout, TOO_OLD) == (
        1,
        f"rudderproj: Python 3.11 or newer is needed, {sys.executable} is 3.10.12; set PYTHON=python3.12\n",
    )


def test_a_python_without_venv_is_refused_with_what_to_install(checkout: Path) -> None:
    version = "{}.{}".format(*sys.version_info[:2])
    assert bootstrap(checkout, WITHOUT_VENV) == (
        1,
        f"rudderproj: {sys.executable} has no venv module; install it (Debian, Ubuntu: apt install "
        f"python{version}-venv) or set PYTHON to another Python\n",
    )


@pytest.mark.slow
def test_it_installs_once_and_again_only_when_the_file_changed(checkout: Path) -> None:
    installing = "installing requirements.txt into .venv (about a minute the first time)\n"
    assert bootstrap(checkout) == (0, installing)
    assert bootstrap(checkout) == (0, "")
    (checkout / "requirements.txt").write_text("# something else\n")
    assert bootstrap(checkout) == (0, installing)


@pytest.mark.slow
def test_an_environment_left_half_made_is_made_again(checkout: Path) -> None:
    assert bootstrap(checkout)[0] == 0
    (checkout / ".venv/.requirements.txt.sha256").unlink()
    for pip in (checkout / ".venv").rglob("site-packages/pip"):
        shutil.rmtree(pip)
    assert bootstrap(checkout)[0] == 0
    assert list((checkout / ".venv").rglob("site-packages/pip/__main__.py"))


@pytest.mark.slow
def test_what_cannot_be_installed_is_told_in_one_line(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("./no-such-folder\n")
    code, said = bootstrap(checkout)
    assert code == 1
    assert said.splitlines()[-1].startswith("rudderproj: installing failed: ERROR: ")
    assert len(said.splitlines()) == 2
