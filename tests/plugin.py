"""The pytest plugin that has PostgreSQL and Valkey running before Django's settings are read (see addopts).

The controlling process starts them once; xdist's workers inherit the addresses and take a Valkey database each.
"""

import atexit
import os
import tempfile
from pathlib import Path

from tests.services import start_services

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

if not WORKER:
    major = int(os.environ.get("TEST_POSTGRES_MAJOR", "18"))
    folder = tempfile.TemporaryDirectory(prefix="rudderproj-tests-")
    services = start_services(Path(folder.name), postgres_major=major, durable=False)
    atexit.register(folder.cleanup)
    atexit.register(services.stop)
    os.environ["DATABASE_URL"] = services.database_url
    os.environ["CELERY_BROKER_URL"] = services.broker_url
else:
    base, _, _ = os.environ["CELERY_BROKER_URL"].rpartition("/")
    os.environ["CELERY_BROKER_URL"] = f"{base}/{int(WORKER.removeprefix('gw')) + 1}"

os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("EGRESS_ALLOW", "127.0.0.0/8,::1/128")
os.environ.setdefault("INBOX_ENABLED", "1")
