"""How long a claim takes: `python -m bench.claims DESTINATION COUNT`, in the environment of the stack that is asked.

Takes the lanes that the first link would take, undoes it, and prints each try's milliseconds as a JSON list. Nobody
else may claim meanwhile: in degraded mode nobody does.
"""

import json
import os
import sys
import time

import django

STATEMENT_SECONDS = 60.0


def main(name: str, count: int) -> None:
    """Try so often; the result goes to standard output."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")
    django.setup()
    from destinations import lanes
    from ingest.models import LANES
    from rudderproj import db

    raw, taken = db.connect("bench", STATEMENT_SECONDS), []  # planned as links' claims are
    raw.autocommit = False
    with raw.cursor() as cursor:
        cursor.execute("SELECT id FROM destinations_destination WHERE name = %s", [name])
        (destination,) = cursor.fetchone() or (0,)
    raw.commit()
    for _ in range(count):
        token = lanes.open_claim(raw, destination, "bench", 1, 60.0)
        if token is None:
            raise SystemExit("another has a claim")
        began = time.perf_counter()
        found = lanes.take(raw, token, destination, LANES)
        taken.append(round((time.perf_counter() - began) * 1000, 3))
        raw.rollback()
        if not found:
            raise SystemExit("there is nothing to claim")
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
