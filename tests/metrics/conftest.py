"""Events written straight into the log, and a source connected to a destination."""

from tests.status.conftest import link, raw, source, write

__all__ = ["link", "raw", "source", "write"]
