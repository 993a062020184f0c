"""The HTTP API under /api/v1, for operators and scripts: an edge that composes ingest, destinations and alerts."""
