"""Events written straight into the log, also of days gone by, and connections to read them."""

from tests.status.conftest import link, raw, source, write

__all__ = ["link", "raw", "source", "write"]
