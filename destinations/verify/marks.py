"""What tells that a row was made by a run: nobody else's is ever removed, whatever its name. Pure but for the key.

A source's write key begins with its own name, and a destination sends that name as a header.
"""

import re
from typing import Any

from ingest.keys import new_write_key

HEADER = "x-rudderproj-verify"
_NAME = re.compile(r"verify-[0-9a-f]{8}")


def write_key(name: str) -> str:
    """Of a run's source."""
    return f"{name}-{new_write_key()}"


def config(name: str, sink_url: str) -> dict[str, Any]:
    """Of a run's webhook destination."""
    return {"webhookUrl": sink_url, "webhookMethod": "POST", "headers": [{"from": HEADER, "to": name}]}


def is_runs_source(name: str, key: str) -> bool:
    return bool(_NAME.fullmatch(name)) and key.startswith(f"{name}-")


def is_runs_destination(name: str, found: dict[str, Any]) -> bool:
    """`found`: its configuration."""
    return bool(_NAME.fullmatch(name)) and {"from": HEADER, "to": name} in found.get("headers", ())
