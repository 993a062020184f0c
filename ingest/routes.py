"""The paths of the ingest API, by what they take. Data only, so that the web server's refusals can know them too."""

import re

# path -> type of its events
EVENTS = {
    "/v1/identify": "identify",
    "/v1/track": "track",
    "/v1/page": "page",
    "/v1/screen": "screen",
    "/v1/group": "group",
    "/v1/alias": "alias",
    "/v1/merge": "merge",
    # Segment's web SDK
    "/v1/i": "identify",
    "/v1/t": "track",
    "/v1/p": "page",
    "/v1/s": "screen",
    "/v1/g": "group",
    "/v1/a": "alias",
}
BATCHES = ("/v1/batch", "/v1/import", "/v1/b")
BEACONS = ("/beacon/v1/batch",)
PIXELS = {"/pixel/v1/track": "track", "/pixel/v1/page": "page"}
WEBHOOKS = ("/v1/webhook",)
DISCARDED = ("/v1/m", "/rsaMetrics", "/rsaRequest")
CONFIGS = ("/sourceConfig",)
_SETTINGS = re.compile("/v1/projects/[^/]+/settings")  # Segment's: the key is in the path

_KINDS = {
    "event": EVENTS,
    "batch": BATCHES,
    "beacon": BEACONS,
    "pixel": PIXELS,
    "webhook": WEBHOOKS,
    "discarded": DISCARDED,
    "config": CONFIGS,
}
KINDS = {path: kind for kind, paths in _KINDS.items() for path in paths}  # as metrics tell them apart


def is_ours(path: str) -> bool:
    """Whether a path, without a slash at its end, belongs to the ingest API."""
    return path in KINDS or bool(_SETTINGS.fullmatch(path))
