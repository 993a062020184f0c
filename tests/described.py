"""A running server against its description: Schemathesis asks it everything, right and wrong."""

import subprocess
import sys
from pathlib import Path

from tests.ingest.web import WebProcess


def assert_as_described(web: WebProcess, path: str, options: Path, *more: str) -> None:
    """`path` of the description; `options`: Schemathesis' own file. Ends the process."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(options)),
        *("run", f"http://127.0.0.1:{web.port}{path}", "--seed", "1", "--generation-database", "none"),
        *("--continue-on-failure", "--no-color", *more),
    ]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=900)
    finally:
        web.stop()
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2_000:]
    assert "Traceback" not in web.output(), web.output()
