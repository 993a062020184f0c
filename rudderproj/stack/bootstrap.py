"""Makes `.venv` and installs a requirements file into it, only when that file has changed.

Runs as a script, by whatever `python3` the machine has. Must never import anything but the standard library, and
has to parse on old Pythons in order to refuse them.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)


class BootstrapError(Exception):
    """Something a person can put right, told in one line."""


def main(argv: "list[str]") -> int:
    """Returns an exit code: 0 ready, 1 the environment is at fault, 2 wrong use."""
    if len(argv) != 1:
        print("usage: bootstrap.py REQUIREMENTS", file=sys.stderr)
        return 2
    try:
        folder = os.open(str(ROOT), os.O_RDONLY)
        # Two starts at once must not install into each other's half-made environment.
        fcntl.flock(folder, fcntl.LOCK_EX)
        _ensure(ROOT / argv[0])
    except (BootstrapError, OSError) as error:
        print(f"rudderproj: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _ensure(requirements: Path) -> None:
    stamp = _stamp(requirements)
    if stamp.exists() and stamp.read_text() == _digest(requirements) and _runs("-c", "pass"):
        return
    # A start that was killed may have left an environment without pip.
    if not _runs("-m", "pip", "--version"):
        _create()
    print(f"installing {requirements.name} into .venv (about a minute the first time)", file=sys.stderr)
    _call(
        "installing failed",
        *(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"),
        *("--no-input", "--requirement", str(requirements)),
    )
    # Every other file includes this one.
    for installed in (requirements, ROOT / "requirements.txt"):
        _stamp(installed).write_text(_digest(installed))


def _create() -> None:
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        raise BootstrapError(f"Python 3.11 or newer is needed, {sys.executable} is {found}; set PYTHON=python3.12")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = "{}.{}".format(*sys.version_info[:2])
        raise BootstrapError(
            f"{sys.executable} has no venv module; install it (Debian, Ubuntu: apt install python{version}-venv) "
            "or set PYTHON to another Python"
        )
    if VENV.exists():
        shutil.rmtree(str(VENV))
    _call("cannot make .venv", sys.executable, "-m", "venv", str(VENV))


def _stamp(requirements: Path) -> Path:
    return VENV / f".{requirements.name}.sha256"


def _digest(requirements: Path) -> str:
    """Of the file and of the one it includes: both decide what is installed."""
    text = requirements.read_bytes() + (ROOT / "requirements.txt").read_bytes()
    return hashlib.sha256(text).hexdigest()


def _runs(*arguments: str) -> bool:
    if not PYTHON.exists():
        return False
    return subprocess.call([str(PYTHON), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def _call(failure: str, *command: str) -> None:
    result = subprocess.run(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if result.returncode != 0:
        said = result.stdout.decode(errors="replace").strip().splitlines() or ["no message"]
        # pip ends with hints; what went wrong stands above them.
        errors = [line for line in said if line.startswith("ERROR: ")] or said
        raise BootstrapError(f"{failure}: {errors[-1].strip()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
