"""Everything else, by Apprise's URLs: Slack, e-mail, Teams, webhooks. It runs in a process of its own.

A hundred providers' code, each with its own idea of a timeout: so it can be killed, never runs where alerts or pages
are made, and every connection it opens is checked as ours are (alerts.channels.apprise_process).
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from alerts.channels.message import Message, Sent
from alerts.incidents import words

_TYPES = {"critical": "failure", "error": "failure", "warning": "warning", "info": "info"}
# What it needs to find its libraries; nothing of ours, least of all secrets, and no proxy that would hide addresses.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "VIRTUAL_ENV")


async def send(config: Mapping[str, Any], message: Message, allow: list[str], timeout_seconds: float) -> Sent:
    """Send to every URL; accepted once one of them took it: to try again would repeat it there.

    `allow`: networks as in EGRESS_ALLOW.
    """
    title = f"{'Resolved: ' if message.is_over else ''}{message.source}: {message.summary}"
    order = {
        "urls": list(config["urls"]),
        "title": words.one_line(title),
        "body": message.text(),
        "type": "success" if message.is_over else _TYPES[message.severity],
        "allow": allow,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alerts.channels.apprise_process"),
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"PYTHONPATH": _root()},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(json.dumps(order).encode()), timeout_seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Sent(False, f"no answer in {timeout_seconds:g} s")
    try:
        answer = json.loads(output)
    except ValueError:
        return Sent(False, f"Apprise ended with exit code {process.returncode}")
    complaint = words.one_line(answer["complaint"])
    if answer["accepted"]:
        return Sent(True, "accepted", beside=complaint)
    return Sent(False, complaint, bool(answer["is_final"]))


def _root() -> str:
    return os.pathsep.join(path for path in sys.path if path) or "."
