"""The small parent of each long-running process: it outlives what crashes, and notes how that ended.

`python -m rudderproj.guard --role forward -- COMMAND...` decides, before the command starts, whether it comes back
after a crash, and tells the database; when that is away, later. Must never import Django or an app, which may be what
crashes, and never keep its process from starting for longer than some seconds.
"""

import sys


def say(line: str) -> None:
    """Tell whoever reads the process's log; nobody may be there any more."""
    try:
        sys.stderr.write(f"rudderproj: {line}\n")
        sys.stderr.flush()
    except OSError:
        return
