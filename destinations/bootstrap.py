"""What a first run finds: a demo source, an inbox that it is connected to, a login for the admin.

Must be safe to repeat, and must never undo what people changed.
"""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from destinations.models import Connection, Destination
from ingest.keys import new_write_key
from ingest.models import Source

DEMO, INBOX = "demo", "inbox"
_EVERY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104  # what to listen on, not where to connect to


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """What to tell the newcomer. `admin_user` is empty when there is no login of that name."""

    write_key: str
    admin_user: str


@transaction.atomic
def bootstrap() -> Bootstrapped:
    """Make what is missing."""
    source, _ = Source.objects.get_or_create(name=DEMO, defaults={"write_key": new_write_key()})
    if settings.ENV["INBOX_ENABLED"]:
        _connect_inbox(source)
    return Bootstrapped(source.write_key, _admin_user())


def local_url() -> str:
    """Where the web process of this machine is reached from here, without a path."""
    host = "127.0.0.1" if settings.ENV["WEB_HOST"] in _EVERY_ADDRESS else settings.ENV["WEB_HOST"]
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.ENV['WEB_PORT']}"


def inbox_url() -> str:
    """Where a worker reaches the inbox of this deployment."""
    return f"{(settings.ENV['INBOX_URL'] or local_url()).rstrip('/')}/inbox/deliver/{INBOX}"


def _connect_inbox(source: Source) -> None:
    config = {"url": inbox_url()}
    inbox, _ = Destination.objects.get_or_create(name=INBOX, defaults={"type": INBOX, "config": config})
    if inbox.type == INBOX and inbox.config != config:  # the port was changed
        inbox.config = config
        inbox.save(update_fields=["config"])
    Connection.objects.get_or_create(source=source, destination=inbox)


def _admin_user() -> str:
    """The login, made if a password is given and there is none. A password that was changed stays changed."""
    name, password = settings.ENV["ADMIN_USER"], settings.ENV["ADMIN_PASSWORD"]
    users = get_user_model().objects
    if users.filter(username=name).exists():
        return str(name)
    if not password:
        return ""
    users.create_superuser(username=name, password=password)
    return str(name)
