"""What SDKs ask before they begin: the configuration of their source, in the shapes that they can read. Pure.

Must always say `enabled: true`, also of a source that is switched off: mobile SDKs take `false`, or no word of it, as
the order to delete every event that they have stored. Only a retired source says `false`.
"""

from datetime import UTC, datetime
from typing import Any

from ingest.config import SourceInfo

# Segment's web SDK drops an event after ten tries, and each page loaded in an outage is one; answers of 429 it counts
# by themselves, ten too. The most that it takes:
SEGMENT_RETRIES = 100


def for_rudderstack(source: SourceInfo, write_key: str, workspace: str) -> dict[str, Any]:
    """The answer of `/sourceConfig`: every field that one of RudderStack's SDKs wants; others do not mind it.

    No destinations: everything is forwarded from here. No data plane address: one would win over the app's own.
    """
    return {
        "source": {
            "id": f"source-{source.id}",
            "name": source.name,
            "writeKey": write_key,
            "enabled": not source.is_retired,
            "workspaceId": workspace,
            "updatedAt": _time(source.changed_at),
            "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
            "destinations": [],
        }
    }


def for_segment(write_key: str) -> dict[str, Any]:
    """The answer of Segment's settings: nothing but our own integration, and no metrics about the SDK itself."""
    delivery = {kind: {"maxRetryCount": SEGMENT_RETRIES} for kind in ("backoffConfig", "rateLimitConfig")}
    return {
        "integrations": {"Segment.io": {"apiKey": write_key, "httpConfig": delivery}},
        "metrics": {"sampleRate": 0},
    }


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
