"""The web process: `python -m rudderproj.server`. One process, so that killing it leaves nothing that serves on.

Owns the order of its beginning: the socket first, so that nobody is refused while the rest is loaded.
"""

import os
import sys

from rudderproj import env
from rudderproj.listening import inherited, listen


def main() -> int:
    """Run the web process; the exit status is 0 after an orderly stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")
    try:
        values = env.read()
    except env.EnvError as error:
        return _refuse(str(error), 2)
    host, port = values["WEB_HOST"], values["WEB_PORT"]
    try:
        listener = inherited() or listen(host, port)
    except OSError as error:
        return _refuse(f"cannot listen on {host}:{port}: {error.strerror}", 1)
    from rudderproj import web_server  # takes a second or two, while clients wait in the socket's queue

    web_server.run(listener)
    return 0


def _refuse(line: str, status: int) -> int:
    sys.stderr.write(f"rudderproj: {line}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
