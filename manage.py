#!/usr/bin/env python
"""Django's command line for rudderproj."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")
    # By hand, a command works on the stack that was started last in this data folder.
    from rudderproj.stack.saved import adopt

    adopt(os.environ)
    import psycopg2
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, psycopg2.OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"the database does not answer: {str(error).strip().splitlines()[0]}")


if __name__ == "__main__":
    main()
