"""`python -m alerts.recovery`: one evaluation, by the guard of a forwarding worker that comes back after a crash.

Needs DJANGO_SETTINGS_MODULE=alerts.recovery.settings. Exit codes: 0 done, 1 the database is away.
"""

import sys

import django
from django.db import DatabaseError


def main() -> int:
    """Evaluate once."""
    django.setup()
    from alerts import recovery

    try:
        recovery.evaluate()
    except DatabaseError as error:
        sys.stderr.write(f"rudderproj: restarts not judged: {str(error).strip()}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
