"""`manage.py bootstrap`: make the demo source, the inbox and the admin login; print them as one line of JSON."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from destinations.bootstrap import bootstrap


class Command(BaseCommand):
    """Print `{"write_key", "admin_user"}`."""

    help = "Make what a first run needs, as far as it is missing: a demo source, an inbox, the admin login."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(json.dumps(asdict(bootstrap())))
