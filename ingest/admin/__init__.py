"""Admin of what accepts. Importing this registers its pages."""

from ingest.admin import event, source

__all__ = ["event", "source"]
