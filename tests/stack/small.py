"""A stack with small programs in place of the application: `python -m tests.stack.small DATA_DIR PORT STOP_SECONDS`.

Everything else is the real thing: data folder, services, supervisor, signals.
"""

import os
import sys

from rudderproj.stack import services
from rudderproj.stack.__main__ import stopped_in_order
from rudderproj.stack.datadir import open_data_dir
from rudderproj.stack.foreground import Signals, serve
from rudderproj.stack.supervise import Program, gate_path


def main(data_dir: str, port: str, stop_seconds: str) -> None:
    signals = Signals()
    with stopped_in_order(signals):
        data = open_data_dir(data_dir)
        services.end_former_run(data)
        found = services.prepare(data, os.environ)
        web = (sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", str(data.logs))
        # Ignores TERM and has a child: the kind that a supervisor loses.
        stubborn = ("/bin/sh", "-c", "trap '' TERM; sleep 1000 & wait; wait; wait")
        dying = ("/bin/sh", "-c", "echo died; exit 3")
        own = [
            Program("web", web, "work", 40, 5),
            Program("stubborn", stubborn, "work", 40, int(stop_seconds)),
            Program("dying", dying, "work", 40, 1),
        ]

        def when_started() -> None:
            found.wait()
            gate_path(data).touch()
            print(found.environment()["DATABASE_URL"], flush=True)

        serve(signals, data, [*found.programs(), *own], dict(os.environ), when_started)


if __name__ == "__main__":
    main(*sys.argv[1:])
