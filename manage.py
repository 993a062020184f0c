#!/usr/bin/env python
"""Django's command line for rudderproj."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")
    # By hand, a command works on the stack that was started last in this data folder.
    from rudderproj.stack.saved import adopt

    adopt(os.environ)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
