"""`manage.py token create|list|revoke`: tokens of the API.

`create` prints the secret alone on standard output, once. Exit codes: 0 done, 2 wrong input, nothing changed.
"""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from destinations.api import tokens
from destinations.api.models import ApiToken
from rudderproj import account
from rudderproj.tables import table

_COLUMNS = ("name", "prefix", "scopes", "created_by", "created_at", "last_used_at", "expires_at", "revoked_at")
_DAYS_MOST = 36500


class Command(BaseCommand):
    """Do it and say so."""

    help = "Make, list and revoke tokens of the API."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="create|list|revoke")
        create = verbs.add_parser("create", help="make a token; its secret is printed once")
        create.add_argument("name", metavar="NAME")
        scopes = ", ".join(ApiToken.Scope.values)
        create.add_argument("--scope", action="append", default=[], metavar="SCOPE", help=f"repeat it: {scopes}")
        create.add_argument("--days", type=int, metavar="N", help="how long it is valid; for ever if not given")
        verbs.add_parser("list", help="all tokens, never their secrets")
        verbs.add_parser("revoke", help="end a token at once").add_argument("name", metavar="NAME")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["verb"] == "create":
            self.create(options["name"], options["scope"], options["days"])
        elif options["verb"] == "revoke":
            self.revoke(options["name"])
        else:
            self.list()

    def create(self, name: str, scopes: list[str], days: int | None) -> None:
        """The secret on standard output, the rest on standard error: `TOKEN=$(manage.py token create …)`."""
        if days is not None and not 1 <= days <= _DAYS_MOST:
            self.fail(f"--days: expected 1 to {_DAYS_MOST}")
        expires_at = timezone.now() + timedelta(days=days) if days else None
        try:
            token, secret = tokens.create(name, scopes, account.name(), expires_at)
        except tokens.TokenRefused as error:
            self.fail(str(error))
        else:
            self.stderr.write(f"token {token.name} may {', '.join(token.scopes)}; this is shown once:")
            self.stdout.write(secret)

    def list(self) -> None:
        """One line a token, those in force first."""
        rows = [
            {column: _shown(getattr(token, column)) for column in _COLUMNS}
            for token in ApiToken.objects.order_by("-revoked_at", "name")
        ]
        self.stdout.write("\n".join(table(_COLUMNS, rows)))

    def revoke(self, name: str) -> None:
        token = ApiToken.objects.filter(name=name, revoked_at=None).first()
        if token is None:
            self.fail(f"no token named {name!r} is in force")
        elif tokens.revoke(token.pk):
            self.stdout.write("revoked")

    def fail(self, message: str) -> None:
        """One line on standard error."""
        self.stderr.write(message)
        raise SystemExit(2)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "strftime") else str(value or "")
