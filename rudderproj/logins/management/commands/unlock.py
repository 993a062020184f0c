"""`manage.py unlock`: forget the failed logins of the last quarter of an hour, so that everybody may try again."""

from typing import Any

from django.core.management.base import BaseCommand

from rudderproj.logins.models import Login


class Command(BaseCommand):
    """Says how many were forgotten."""

    help = "Let everybody try to log in again, after too many failures."

    def handle(self, *_: Any, **__: Any) -> None:
        forgotten, _by_model = Login.objects.filter(succeeded=False).delete()
        self.stdout.write(f"{forgotten} failed logins forgotten")
