"""What PostgreSQL quotes of a row that a statement failed on, payload and all: cut out of texts.

Pure, standard library alone: the logs and the guard use it.
"""

import re

_ROWS = re.compile(r"^\s*DETAIL:.*?(?=^\s*(?:HINT|CONTEXT|QUERY|LINE \d+):|^\S|\Z)", re.DOTALL | re.MULTILINE)


def cut(text: str) -> str:
    """The text without them."""
    return _ROWS.sub("", text) if "DETAIL:" in text else text
