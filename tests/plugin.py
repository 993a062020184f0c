"""The pytest plugin that has PostgreSQL and Valkey running before Django's settings are read (see addopts).

Each of xdist's workers has its own: a horizon is a whole cluster's, and one worker's open transaction would hold up
what another's readers see. With services given by the environment the workers share them, a Valkey database each.
"""

import atexit
import os
import re
import sys
import tempfile
from pathlib import Path

from tests.services import VARIABLES, start_services

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
OURS = not os.environ.get("DATABASE_URL")  # the PostgreSQL is one that we start, with settings that tests rely on


def only_distributes() -> bool:
    """Whether this process runs no test itself: xdist's controller."""
    workers = re.findall(r" (?:-n|--numprocesses)[ =]?(\w+)", " ".join(sys.argv))
    return not WORKER and bool(workers) and workers[-1] != "0"


if all(os.environ.get(name) for name in VARIABLES):
    if WORKER:
        base, _, _ = os.environ["CELERY_BROKER_URL"].rpartition("/")
        os.environ["CELERY_BROKER_URL"] = f"{base}/{int(WORKER.removeprefix('gw')) + 1}"
elif not only_distributes():
    major = int(os.environ.get("TEST_POSTGRES_MAJOR", "18"))
    folder = tempfile.TemporaryDirectory(prefix="rudderproj-tests-")
    services = start_services(Path(folder.name), postgres_major=major, durable=False)
    atexit.register(folder.cleanup)
    atexit.register(services.stop)
    os.environ["DATABASE_URL"] = services.database_url
    os.environ["CELERY_BROKER_URL"] = services.broker_url

os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("SECRETS_KEYS", "b25seSBmb3IgdGVzdHMsIG5vIHNlY3JldCBhdCBhbGw=")
os.environ.setdefault("EGRESS_ALLOW", "127.0.0.0/8,::1/128")
os.environ.setdefault("INBOX_ENABLED", "1")
