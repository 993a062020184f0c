"""A PostgreSQL of a drill's own: where it lives, with which settings, who follows it.

Made as the product makes its embedded one. Must never outlive the drill.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2

from drills.stack import ROOT, eventually
from rudderproj.stack import launch, ports, postgres
from rudderproj.stack.datadir import DataDir, open_data_dir
from rudderproj.stack.processes import MARKER_VARIABLE

STOP_SECONDS = 60.0


@dataclass
class Server:
    """One server. `options` are settings beside the product's own."""

    data: DataDir
    name: str
    made: postgres.Postgres
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def port(self) -> int:
        return self.made.port

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
        with contextlib.closing(psycopg2.connect(self.made.url("postgres"), connect_timeout=5)) as raw:
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

    def follow(self, name: str) -> "Server":
        """A standby of this server, copied and started."""
        home = Path(self.made.command[-1]).with_name(name)
        program = Path(self.made.command[0]).with_name("pg_basebackup")
        port = ports.kept_port(self.data.root / "ports.json", name)
        copied = self._run(
            f"{name}-copy", str(program), "-D", str(home), "-R", "-c", "fast", "-d", self.made.url("postgres")
        )
        if copied.wait(STOP_SECONDS):
            raise RuntimeError(f"no copy of the primary: see {self.data.log(f'{name}-copy')}")
        made = replace(self.made, command=(self.made.command[0], "-D", str(home)), port=port, log=self.data.log(name))
        server = Server(self.data, name, made, (f"port={port}",))
        server.start()
        return server

    def _run(self, name: str, *program: str) -> subprocess.Popen[bytes]:
        with self.data.log(name).open("ab") as log:
            return subprocess.Popen(
                launch.command(name, self.data.run, program, "--run-as", self.made.run_as),
                cwd=ROOT,
                env=os.environ | {MARKER_VARIABLE: f"{self.data.marker}:{name}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextlib.contextmanager
def serving(folder: Path, *options: str, access: str = "") -> Iterator[Server]:
    """A server with the product's database in it until the end of the block. `access`: lines for pg_hba.conf."""
    data = open_data_dir(str(folder))
    made = postgres.prepare(data)
    with (Path(made.command[-1]) / "pg_hba.conf").open("a") as file:
        file.write(access)
    server = Server(data, "postgres", made, options)
    try:
        server.start()
        postgres.wait_and_create(made)
        yield server
    finally:
        server.stop()
        data.close()
