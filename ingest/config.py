"""Sources as this process last read them, by write key: at most about a second old.

Owns the cache and the thread-safe refresh. Must never call a key unknown unless it just asked the database.
"""

import math
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import Error, connection
from django.db.models import F, FloatField
from django.db.models.functions import Extract, Now

from ingest.models import Source

FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 1.0


class ConfigUnavailable(Exception):
    """Sources cannot be read and the cache cannot answer: the caller answers 503."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What ingest needs to know of a source."""

    id: int
    name: str
    enabled: bool
    rate_limit: int | None
    user_id_first: bool
    is_retired: bool = False
    changed_at: datetime = datetime(2020, 1, 1, tzinfo=UTC)  # as far as SDKs care


@dataclass(frozen=True, slots=True)
class _Key:
    """A write key's source. A previous key ends, at a time of time.monotonic()."""

    source: SourceInfo
    ends_at: float = math.inf


class SourceCache:
    """All sources by write key; one query a second at most, and only when something changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, _Key] | None = None
        self._version = -1
        self._read_at = 0.0

    def get(self, write_key: str) -> SourceInfo | None:
        """The source of a write key; None only when the database says so. Raises ConfigUnavailable."""
        if not self._is_fresh():
            self._refresh()
        if self._keys is None:
            raise ConfigUnavailable("sources were never read")
        if found := self._valid(write_key):
            return found
        is_read = self._refresh(force=True)
        found = self._valid(write_key)  # of all who ask for a new key at once, one may have read it for the others
        if found is None and not is_read:
            raise ConfigUnavailable("cannot tell whether the write key exists")
        return found

    def read_ahead(self) -> None:
        """Read in a thread of its own, so that a database that goes away before the first request takes no SDK's
        configuration with it.
        """
        threading.Thread(target=self._read_once, name="sources", daemon=True).start()

    def _read_once(self) -> None:
        self._refresh()
        connection.close()

    def clear(self) -> None:
        """Forget everything (tests)."""
        with self._lock:
            self._keys, self._version, self._read_at = None, -1, 0.0

    def _valid(self, write_key: str) -> SourceInfo | None:
        found = (self._keys or {}).get(write_key)
        return found.source if found and found.ends_at > time.monotonic() else None

    def _is_fresh(self) -> bool:
        # While there is nothing to go by, a failed read is no reason to wait: the database may be back.
        return self._keys is not None and time.monotonic() - self._read_at <= FRESH_SECONDS

    def _refresh(self, force: bool = False) -> bool:
        """Read what changed; False when the database is away (the old answers stay)."""
        # A database that hangs holds up one request; the others go by the old answers or hear 503.
        if not self._lock.acquire(timeout=PATIENCE_SECONDS if force or self._keys is None else 0):
            return False
        try:
            if not force and self._is_fresh():
                return True
            self._read()
        except Error:  # also InterfaceError, of a connection that is gone
            connection.close()
            return False
        else:
            return True
        finally:
            self._read_at = time.monotonic()
            self._lock.release()

    def _read(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version FROM ingest_configversion")
            row = cursor.fetchone()
        version = row[0] if row else 0
        if version != self._version:
            self._keys = _read_keys()
            self._version = version


def _read_keys() -> dict[str, _Key]:
    """All keys, the previous ones too, by the database's clock until when they are valid."""
    keys = {}
    left = Extract(F("previous_key_valid_until") - Now(), "epoch", output_field=FloatField())
    for source in Source.objects.annotate(previous_key_seconds=left):
        user_id_first = source.user_key == Source.UserKey.USER_ID
        info = SourceInfo(
            source.pk,
            source.name,
            source.enabled and source.retired_at is None,
            source.rate_limit,
            user_id_first,
            source.retired_at is not None,
            source.retired_at or source.created_at,
        )
        if source.previous_write_key:
            keys[source.previous_write_key] = _Key(info, time.monotonic() + source.previous_key_seconds)
        keys[source.write_key] = _Key(info)
    return keys


sources = SourceCache()
