"""Sources as this process last read them, by write key: at most about a second old.

Owns the cache and the thread-safe refresh. Must never call a key unknown unless it just asked the database.
"""

import threading
import time
from dataclasses import dataclass

from django.db import DatabaseError, connection

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


class SourceCache:
    """All sources by write key; one query a second at most, and only when something changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: dict[str, SourceInfo] | None = None
        self._version = -1
        self._read_at = 0.0

    def get(self, write_key: str) -> SourceInfo | None:
        """The source of a write key; None only when the database says so. Raises ConfigUnavailable."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            self._refresh()
        if self._sources is None:
            raise ConfigUnavailable("sources were never read")
        found = self._sources.get(write_key)
        if found is None and not self._refresh(force=True):
            raise ConfigUnavailable("cannot tell whether the write key exists")
        return found or (self._sources or {}).get(write_key)

    def clear(self) -> None:
        """Forget everything (tests)."""
        with self._lock:
            self._sources, self._version, self._read_at = None, -1, 0.0

    def _refresh(self, force: bool = False) -> bool:
        """Read what changed; False when the database is away (the old answers stay)."""
        # A database that hangs holds up one request; the others go by the old answers or hear 503.
        if not self._lock.acquire(timeout=PATIENCE_SECONDS if force or self._sources is None else 0):
            return False
        try:
            if not force and time.monotonic() - self._read_at <= FRESH_SECONDS:
                return True
            self._read()
        except DatabaseError:
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
            self._sources = {
                source.write_key: SourceInfo(
                    source.pk,
                    source.name,
                    source.enabled,
                    source.rate_limit,
                    source.user_key == Source.UserKey.USER_ID,
                )
                for source in Source.objects.all()
            }
            self._version = version


sources = SourceCache()
