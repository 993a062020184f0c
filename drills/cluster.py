"""A PostgreSQL of a drill's own: where it lives, with which settings, who follows it.

Made as the product makes its embedded one. Must never outlive the drill.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2

from drills.stack import ROOT, eventually
from rudderproj.stack import launch, ports, postgres
from rudderproj.stack.datadir import DataDir, open_data_dir
from rudderproj.stack.processes import MARKER_VARIABLE

STOP_SECONDS = 60.0
REPLICATION = "host replication all 127.0.0.1/32 scram-sha-256\n"  # for pg_hba.conf


@dataclass(frozen=True)
class Elsewhere:
    """A machine: what a command begins with that runs there, and its address."""

    prefix: Sequence[str] = ()
    host: str = "127.0.0.1"


HERE = Elsewhere()


@dataclass
class Server:
    """One server, here or on another machine (`where`).

    `options` are settings beside the product's own, `environ` variables beside ours.
    """

    data: DataDir
    name: str
    made: postgres.Postgres
    options: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    where: Elsewhere = HERE
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def port(self) -> int:
        return self.made.port

    def url(self, database: str = postgres.DATABASE) -> str:
        """How to connect from any machine that reaches it."""
        return self.made.url(database).replace("127.0.0.1", self.where.host)

    def start(self) -> None:
        """Returns when it answers."""
        settings = [word for option in self.options for word in ("-c", option)]
        self.process = self._run(self.name, *self.made.command, *settings)
        eventually(self.answers, f"PostgreSQL ({self.name})")

    def answers(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            self.ask("SELECT 1")
            return True
        return False

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """One statement's rows. Raises psycopg2.Error."""
        with contextlib.closing(psycopg2.connect(self.url("postgres"), connect_timeout=5)) as raw:
            raw.autocommit = True
            with raw.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """At once: nothing is written any more."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(STOP_SECONDS)

    @property
    def home(self) -> Path:
        """Where its data is."""
        return Path(self.made.command[-1])

    def client(self, name: str, *arguments: str) -> None:
        """Run a program of the same version until it ends. Raises RuntimeError."""
        program = Path(self.made.command[0]).with_name(name)
        if self._run(name, str(program), *arguments).wait(STOP_SECONDS):
            raise RuntimeError(f"{name} failed: see {self.data.log(name)}")

    def copy(self, name: str, *options: str) -> None:
        """A physical copy beside it."""
        home = str(self.home.with_name(name))
        self.client("pg_basebackup", "-D", home, "-c", "fast", "-d", self.url("postgres"), *options)

    def moved(self, name: str, *options: str, where: Elsewhere = HERE, port: int = 0) -> "Server":
        """A server for a copy, not started. `options` come after its own."""
        command = (self.made.command[0], "-D", str(self.home.with_name(name)))
        made = replace(self.made, command=command, port=port or self.port, log=self.data.log(name))
        return Server(self.data, name, made, (*self.options, *options, f"port={made.port}"), where=where)

    def follow(self, name: str, where: Elsewhere = HERE, port: int = 0) -> "Server":
        """A standby of this server, copied and started."""
        self.copy(name, "-R")
        port = port or ports.kept_port(self.data.root / "ports.json", name)
        server = self.moved(name, where=where, port=port)
        server.start()
        return server

    def follow_instead(self, primary: "Server") -> None:
        """From now on this standby is one of another server."""
        self.ask(f"ALTER SYSTEM SET primary_conninfo = '{primary.url('postgres')}'")
        self.ask("SELECT pg_reload_conf()")

    def follow_nobody(self) -> None:
        """From now on nothing reaches this standby; returns when it has stopped to receive."""
        self.ask("ALTER SYSTEM SET primary_conninfo = ''")
        self.ask("SELECT pg_reload_conf()")
        eventually(lambda: not self.ask("SELECT 1 FROM pg_stat_wal_receiver"), f"the end of what {self.name} receives")

    def wal(self, function: str) -> int:
        """What a function of PostgreSQL says of its WAL: bytes from the beginning of all."""
        ((at,),) = self.ask(f"SELECT {function}() - '0/0'::pg_lsn")
        return int(at)

    def _run(self, name: str, *program: str) -> subprocess.Popen[bytes]:
        with self.data.log(name).open("ab") as log:
            return subprocess.Popen(
                [*self.where.prefix, *launch.command(name, self.data.run, program, "--run-as", self.made.run_as)],
                cwd=ROOT,
                env={**os.environ, **self.environ, MARKER_VARIABLE: f"{self.data.marker}:{name}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextlib.contextmanager
def serving(
    folder: Path,
    *options: str,
    access: str = "",
    environ: Mapping[str, str] | None = None,
    where: Elsewhere = HERE,
) -> Iterator[Server]:
    """A server with the product's database in it until the end of the block. `access`: lines for pg_hba.conf."""
    data = open_data_dir(str(folder))
    made = postgres.prepare(data)
    with (Path(made.command[-1]) / "pg_hba.conf").open("a") as file:
        file.write(access)
    server = Server(data, "postgres", made, options, environ or {}, where)
    try:
        server.start()
        server.ask(f'CREATE DATABASE "{postgres.DATABASE}"')
        yield server
    finally:
        server.stop()
        data.close()
