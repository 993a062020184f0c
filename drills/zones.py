"""Zones as network namespaces on one bridge: a link is cut and healed, an address moves. As root.

Must never leave a namespace or a link behind.
"""

import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator, Sequence

from drills.cluster import Elsewhere
from drills.namespaces import Namespace, ip, remove_leftovers

NETWORK = "10.214"
HOME = f"{NETWORK}.0.1"  # where the load, the destination and the balancer are
FLOATING = f"{NETWORK}.9.9"  # the broker's, wherever it is, as that of a Service
NUMBERS = (1, 2, 3)
_LENGTH = 16


class Zone(Namespace):
    """One zone on the bridge."""

    def __init__(self, number: int, bridge: str) -> None:
        host, self._bridge = f"{NETWORK}.{number}.1", bridge
        super().__init__(f"zone{number}", f"dz{number}", f"{host}/{_LENGTH}")
        self.where = Elsewhere(self.prefix, host)

    def make(self) -> None:
        super().make()
        ip("link", "set", self.link, "master", self._bridge)
        self.heal()

    def take(self, address: str) -> None:
        """From now on this is its address too."""
        self.ip("addr", "replace", f"{address}/{_LENGTH}", "dev", "eth0")

    def leave(self, address: str) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.ip("addr", "del", f"{address}/{_LENGTH}", "dev", "eth0")

    def forget(self, address: str) -> None:
        """Look anew for who has this address."""
        self.ip("neigh", "flush", "to", address)


def move(address: str, to: Zone, zones: Sequence[Zone]) -> None:
    """It is there from now on, and everybody notices."""
    to.take(address)
    ip("neigh", "flush", "to", address)
    for zone in zones:
        zone.forget(address)


@contextlib.contextmanager
def zoned() -> Iterator[list[Zone]]:
    """Three zones and a way between them."""
    bridge = f"dzb-{os.getpid()}"
    with contextlib.ExitStack() as made:
        remove_leftovers()
        ip("link", "add", bridge, "type", "bridge")
        made.callback(ip, "link", "del", bridge)
        ip("addr", "add", f"{HOME}/{_LENGTH}", "dev", bridge)
        ip("link", "set", bridge, "up")
        zones = [Zone(number, bridge) for number in NUMBERS]
        for zone in zones:
            made.callback(zone.remove)
            zone.make()
        yield zones


@functools.cache
def has_no_zones() -> str:
    """Why there can be none here; empty if there can."""
    try:
        with zoned():
            return ""
    except (OSError, subprocess.CalledProcessError):
        return "no network namespaces or no bridge here (it takes root, and iproute2)"
