"""What a database needs before the processes start: migrations, then the demo source, inbox and admin login.

Owns the lock that lets one of several starting machines do it. Must never run while that lock is not held.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2

from rudderproj import dsn

from . import launch
from .datadir import DataDir, last_line
from .errors import StackError
from .processes import MARKER_VARIABLE
from .saved import ROOT

# Any number that nothing else uses for an advisory lock in this database.
LOCK_KEY = 0x52554444
LOCK_WAIT_SECONDS = 300


@dataclass(frozen=True)
class Demo:
    """What `manage.py bootstrap` made or found."""

    write_key: str
    admin_user: str


def prepare_database(data: DataDir, environ: dict[str, str]) -> Demo:
    """Migrate and bootstrap. Raises StackError with the command's last word."""
    with _only_one(environ["DATABASE_URL"]):
        _manage(data, environ, "migrate", "--no-input")
        answer = _manage(data, environ, "bootstrap")
    found = json.loads(answer.strip().splitlines()[-1])
    return Demo(found["write_key"], found["admin_user"])


@contextlib.contextmanager
def _only_one(database_url: str) -> Iterator[None]:
    try:
        connection = psycopg2.connect(**(dsn.parameters(database_url) | {"connect_timeout": "5"}))
    except psycopg2.Error as error:
        raise StackError(f"cannot use the database of DATABASE_URL: {_first_line(error)}") from None
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = %s", (f"{LOCK_WAIT_SECONDS}s",))
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        yield
    except psycopg2.errors.LockNotAvailable:
        raise StackError("another machine has been migrating this database for too long; look there") from None
    finally:
        connection.close()


def _manage(data: DataDir, environ: dict[str, str], *arguments: str) -> str:
    program = (sys.executable, str(ROOT / "manage.py"), *arguments)
    log = data.log("setup")
    with log.open("ab") as errors:
        process = subprocess.Popen(
            launch.command("setup", data.run, program),
            env=environ | {MARKER_VARIABLE: f"{data.marker}:setup"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # Ctrl-C ends it through `processes.end_all`, not half-way with a traceback on the terminal.
            start_new_session=True,
        )
        answer = process.communicate()[0]
    if process.returncode != 0:
        raise StackError(f"`manage.py {arguments[0]}` failed: {last_line(log)} (see {log})")
    return answer


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
