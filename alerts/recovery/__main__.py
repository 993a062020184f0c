"""`python -m alerts.recovery`: one evaluation, by the guard of a process that comes back after a crash.

Also opens the incidents of what keeps crashing: an alerts worker in a loop lives too short to see that, long enough to
send what is there.

Needs DJANGO_SETTINGS_MODULE=alerts.recovery.settings. Exit codes: 0 done, 1 the database is away.
"""

import sys

import django
from django.db import DatabaseError


def main() -> int:
    """Evaluate once."""
    django.setup()
    from alerts import incidents, recovery

    try:
        recovery.evaluate()
        incidents.report_crash_loops()
    except DatabaseError as error:
        sys.stderr.write(f"rudderproj: restarts not judged: {str(error).strip()}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
