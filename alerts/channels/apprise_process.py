"""`python -m alerts.channels.apprise_process`: sends one notification through Apprise; order and answer are JSON.

Every connection it opens is checked where it is opened, whatever name or redirect led there. Must never import Django
or another module of an app: it starts for each notification.
"""

import io
import ipaddress
import json
import logging
import socket
import sys
from typing import Any

import apprise

from rudderproj.egress import permitted


class Refused(OSError):
    """The address may not be connected to."""


class GuardedSocket(socket.socket):
    """Connects to public addresses, and to networks that were allowed."""

    allow: list[Any] = []

    def connect(self, address: Any) -> None:
        self._check(address)
        super().connect(address)

    def connect_ex(self, address: Any) -> int:
        self._check(address)
        return super().connect_ex(address)

    def _check(self, address: Any) -> None:
        if self.family not in (socket.AF_INET, socket.AF_INET6):
            raise Refused("only internet addresses may be connected to")
        host, port = address[:2]
        for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            target = ipaddress.ip_address(str(found[4][0]).partition("%")[0])
            if not permitted(target, self.allow):
                raise Refused(f"{target} is not a public address (EGRESS_ALLOW)")


def main() -> None:
    """Read the order, send, say what came of it."""
    order = json.load(sys.stdin)
    GuardedSocket.allow = [ipaddress.ip_network(network) for network in order["allow"]]
    socket.socket = GuardedSocket  # type: ignore[misc]
    said = io.StringIO()
    apprise.logger.addHandler(logging.StreamHandler(said))
    apprise.logger.setLevel(logging.WARNING)
    known = apprise.Apprise(asset=apprise.AppriseAsset(secure_logging=True, app_id="rudderproj"))
    unknown = [url for url in order["urls"] if not known.add(url)]
    status = known.notify(order["body"], order["title"], order["type"]).status
    accepted = status in (apprise.AppriseResultStatus.SUCCESS, apprise.AppriseResultStatus.PARTIAL)
    lines = [line for line in said.getvalue().splitlines() if line]
    complaint = lines[-1] if lines else "" if accepted else "not accepted"
    json.dump(
        {"accepted": accepted, "complaint": complaint, "is_final": len(unknown) == len(order["urls"])}, sys.stdout
    )


if __name__ == "__main__":
    main()
