"""How often somebody may try to log in, by account and by address. Counted in the database: all web processes together.

A try is noted before the password is looked at, so that many at once do not slip through; one that is turned away is
not noted, so that trying on does not prolong anything. Must never lock an account for the address it usually comes
from because of what others try, and never keep an account's name: people type passwords into the wrong field.
"""

import ipaddress
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from rudderproj.web_proxy import address_of

WINDOW_SECONDS = 15 * 60
PAIR_TRIES = 5  # of one account from one address
ADDRESS_TRIES = 20  # of one address, whatever the account
ACCOUNT_TRIES = 50  # of one account, whatever the address
KNOWN_DAYS = 30  # an account that logged in from an address so lately is bound by PAIR_TRIES alone there
REFUSED = "Too many tries. Wait a quarter of an hour, and try again."
_REFUSED = "rudderproj_login_refused"

_ADMIT = """
WITH failed AS (
    SELECT count(*) FILTER (WHERE account = %(account)s AND address = %(address)s) AS pair,
        count(*) FILTER (WHERE address = %(address)s) AS address,
        count(*) FILTER (WHERE account = %(account)s) AS account
    FROM logins_login
    WHERE NOT succeeded AND at > now() - %(window)s * interval '1 second'
        AND (account = %(account)s OR address = %(address)s)
),
known AS (
    SELECT EXISTS (
        SELECT FROM logins_login WHERE succeeded AND account = %(account)s AND address = %(address)s
            AND at > now() - %(known)s * interval '1 day') AS yes
)
INSERT INTO logins_login (account, address, at, succeeded)
SELECT %(account)s, %(address)s, now(), false FROM failed, known
WHERE pair < %(pair)s AND (known.yes OR address < %(address_tries)s AND account < %(account_tries)s)
"""
# The failures before a success were the person's own.
_SUCCEED = """
UPDATE logins_login SET succeeded = true
WHERE NOT succeeded AND account = %(account)s AND address = %(address)s
    AND at > now() - %(window)s * interval '1 second'
"""


class ThrottledBackend(ModelBackend):
    """Django's users and passwords; a try too many is turned away before its password is looked at."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> Any:
        """The user, or None. Raises PermissionDenied, which ends the try, when there were too many."""
        if request is not None and username is not None:
            with connection.cursor() as cursor:
                cursor.execute(_ADMIT, _parameters(request, username))
                if not cursor.rowcount:
                    setattr(request, _REFUSED, True)
                    raise PermissionDenied
        return super().authenticate(request, username, password, **more)


def was_refused(request: HttpRequest | None) -> bool:
    """Whether the request's try was turned away."""
    return getattr(request, _REFUSED, False)


def on_logged_in(request: HttpRequest | None = None, user: Any = None, **_: Any) -> None:
    """Receiver of user_logged_in."""
    if request is not None and user is not None:
        with connection.cursor() as cursor:
            cursor.execute(_SUCCEED, _parameters(request, user.get_username()))


def _parameters(request: HttpRequest, username: str) -> dict[str, Any]:
    return {
        "account": salted_hmac("rudderproj.logins", username.strip().lower(), algorithm="sha256").hexdigest(),
        "address": _network(address_of(request)),
        "window": WINDOW_SECONDS,
        "known": KNOWN_DAYS,
        "pair": PAIR_TRIES,
        "address_tries": ADDRESS_TRIES,
        "account_tries": ACCOUNT_TRIES,
    }


def _network(address: str) -> str:
    """Whom to count as one: an IPv6 client has a whole /64 to itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
