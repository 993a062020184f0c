"""Who runs a command, for the records of what people did."""

import getpass


def name() -> str:
    """The account's name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without an account
        return "command line"
