"""The last step of a start: wait until events are accepted, then tell a person what to do next.

Must never print before the printed curl line works.
"""

import http.client
import sys
import time

from .datadir import DataDir, last_line
from .environment import Settings
from .setup import Demo

PATIENCE_SECONDS = 20.0
FLOWER_PATIENCE_SECONDS = 15.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


def wait_ready(chosen: Settings, data: DataDir) -> None:
    """Return once events are accepted and Flower answers; says so on standard error when that takes long."""
    told_at = time.monotonic() + PATIENCE_SECONDS
    while (reason := _not_ready(chosen)) is not None:
        if time.monotonic() > told_at:
            log = data.log("web")
            print(f"not ready yet: {reason}; web last said: {last_line(log)} (see {log})", file=sys.stderr)
            told_at = time.monotonic() + PATIENCE_SECONDS
        time.sleep(0.1)
    # Only a view on the workers: what is wrong with it must not hide the rest.
    give_up_at = time.monotonic() + FLOWER_PATIENCE_SECONDS
    while _status("127.0.0.1", chosen.flower_port, "/")[0] == 0 and time.monotonic() < give_up_at:
        time.sleep(0.1)


def text(chosen: Settings, environ: dict[str, str], data: DataDir, demo: Demo) -> str:
    """Addresses, logins, and a curl line that works as printed."""
    base = f"http://{_host(chosen)}:{chosen.web_port}"
    flower = f"http://127.0.0.1:{chosen.flower_port}/"
    lines = [
        "rudderproj is running. Ctrl-C stops it.",
        "",
        f"  events   {base}/v1/track   write key {demo.write_key}",
        f"  inbox    {base}/inbox/   demo {base}/demo/",
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
    status, said = _status(_host(chosen).strip("[]"), chosen.web_port, "/ready")
    if status == 200:
        return None
    return f"/ready answers {status} {said}" if status else f"the web process does not answer ({said})"


def _status(host: str, port: int, path: str) -> tuple[int, str]:
    """Status and start of the body; 0 and the reason when nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(200).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()
