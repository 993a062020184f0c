"""Admin of what accepts. Importing this registers its pages."""

from ingest.admin import rejected, source

__all__ = ["rejected", "source"]
