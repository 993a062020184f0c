"""Events written straight into the log, and a source connected to a destination."""

from tests.status.conftest import link, source, write

__all__ = ["link", "source", "write"]
