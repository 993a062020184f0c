"""The channels as last seen, for when the database is away: in memory, and encrypted on disk for a restart meanwhile.

Must never fail for a disk that is full or a file that cannot be read: what the environment names is known without.
"""

import json
from dataclasses import asdict
from pathlib import Path

import structlog
from django.conf import settings

from alerts.channels import environment
from alerts.channels.sending import Address
from rudderproj import secrets
from rudderproj.stack.datadir import write_private

log = structlog.get_logger(__name__)

FILE = "alerts-channels"


class Cache:
    """The channels that want to hear of critical incidents of this kind."""

    def __init__(self) -> None:
        self.addresses = _read() or environment.addresses()

    def keep(self, addresses: list[Address]) -> None:
        """These are the channels now."""
        if addresses != self.addresses:
            self.addresses = addresses
            _write(addresses)


def _path() -> Path:
    return Path(settings.ENV["DATA_DIR"]) / FILE


def _write(addresses: list[Address]) -> None:
    text = json.dumps([asdict(address) for address in addresses if not address.problem])
    try:
        if _path().parent.is_dir():
            write_private(_path(), secrets.ring().encrypt(text))
    except (OSError, secrets.SecretUnreadable) as error:
        log.info("channels.not_kept", error=str(error))


def _read() -> list[Address]:
    try:
        return [Address(**row) for row in json.loads(secrets.ring().decrypt(_path().read_text()))]
    except (OSError, ValueError, TypeError, secrets.SecretUnreadable):
        return []
