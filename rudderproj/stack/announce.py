"""The last step of a start: wait until events are accepted, then tell a person what to do next.

Must never print before the printed curl line works.
"""

import http.client
import sys
import time

from .datadir import DataDir
from .environment import Settings
from .setup import Demo

PATIENCE_SECONDS = 60.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


def wait_ready(chosen: Settings, data: DataDir) -> None:
    """Return once /ready answers 200; says so on standard error when that takes long."""
    told_at = time.monotonic() + PATIENCE_SECONDS
    while (reason := _not_ready(chosen)) is not None:
        if time.monotonic() > told_at:
            print(f"not ready yet: {reason} (see {data.log('web')}); still trying", file=sys.stderr)
            told_at = time.monotonic() + PATIENCE_SECONDS
        time.sleep(0.1)


def text(chosen: Settings, environ: dict[str, str], data: DataDir, demo: Demo) -> str:
    """Addresses, logins, and a curl line that works as printed."""
    base = f"http://{_host(chosen)}:{chosen.web_port}"
    flower = f"http://127.0.0.1:{chosen.flower_port}/"
    lines = [
        "rudderproj is running. Ctrl-C stops it.",
        "",
        f"  events   {base}/v1/track   write key {demo.write_key}",
        f"  inbox    {base}/inbox/",
        f"  admin    {base}/admin/   login {demo.admin_user} / {environ['ADMIN_PASSWORD']}",
        f"  flower   {flower}   login {environ['FLOWER_USER']} / {environ['FLOWER_PASSWORD']}",
        f"  logs     {data.logs}",
        "",
        "Send an event, then look at the inbox:",
        "",
        f"  curl -u '{demo.write_key}:' -H 'Content-Type: application/json' "
        f"""-d '{{"userId": "ada", "event": "Signed Up"}}' {base}/v1/track""",
        "",
    ]
    return "\n".join(lines)


def _host(chosen: Settings) -> str:
    host = ANYWHERE.get(chosen.web_host, chosen.web_host)
    return f"[{host}]" if ":" in host else host


def _not_ready(chosen: Settings) -> str | None:
    connection = http.client.HTTPConnection(_host(chosen).strip("[]"), chosen.web_port, timeout=5)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        body = answer.read(200).decode(errors="replace").strip()
        return None if answer.status == 200 else f"/ready answers {answer.status} {body}"
    except (OSError, http.client.HTTPException) as error:
        return f"the web process does not answer ({error})"
    finally:
        connection.close()
