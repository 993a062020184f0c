"""The channels as last seen, for when the database is away: in memory, and on disk for a restart meanwhile.

Must never fail for what the disk holds: what the environment names is known without.
"""

from dataclasses import asdict

from alerts.channels import environment
from alerts.channels.sending import Address
from alerts.watch import disk

FILE = "alerts-channels"


class Cache:
    """The channels that want to hear of critical incidents of this kind."""

    def __init__(self) -> None:
        self.addresses = _read() or environment.addresses()

    def keep(self, addresses: list[Address]) -> None:
        """These are the channels now."""
        if addresses != self.addresses:
            self.addresses = addresses
            disk.keep(FILE, [asdict(address) for address in addresses if not address.problem])


def _read() -> list[Address]:
    try:
        return [Address(**row) for row in disk.read(FILE) or []]
    except TypeError:
        return []
