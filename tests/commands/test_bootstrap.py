"""`manage.py bootstrap`."""

import io
import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command

from destinations.models import Connection, Destination
from ingest.models import Source

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    values = {"INBOX_ENABLED": True, "INBOX_URL": "", "WEB_HOST": "127.0.0.1", "WEB_PORT": 8080}
    for name, value in (values | {"ADMIN_USER": "ada", "ADMIN_PASSWORD": "pa55"}).items():
        monkeypatch.setitem(settings.ENV, name, value)
    return settings.ENV


def bootstrap() -> dict[str, str]:
    out = io.StringIO()
    call_command("bootstrap", stdout=out)
    answer: dict[str, str] = json.loads(out.getvalue())
    return answer


def test_a_first_run_finds_a_source_an_inbox_and_a_login(env: dict[str, Any]) -> None:
    answer = bootstrap()
    assert answer == {"write_key": Source.objects.get(name="demo").write_key, "admin_user": "ada"}
    assert Destination.objects.get().config == {"url": "http://127.0.0.1:8080/inbox/deliver/inbox"}
    assert Connection.objects.get().source.name == "demo"
    assert authenticate(username="ada", password="pa55").is_superuser  # type: ignore[union-attr]


def test_a_second_run_keeps_everything_also_what_people_changed(env: dict[str, Any]) -> None:
    first = bootstrap()
    Destination.objects.update(enabled=False)
    user = get_user_model().objects.get()
    user.set_password("changed")
    user.save()
    env["ADMIN_PASSWORD"] = "other"
    assert bootstrap() == first
    assert not Destination.objects.get().enabled
    assert authenticate(username="ada", password="changed")


@pytest.mark.parametrize(
    ("host", "port", "given", "url"),
    [
        ("0.0.0.0", 81, "", "http://127.0.0.1:81"),
        ("::1", 82, "", "http://[::1]:82"),
        ("127.0.0.1", 83, "https://x.test/", "https://x.test"),
    ],
)
def test_the_inbox_follows_the_address_of_the_web_process(
    env: dict[str, Any], host: str, port: int, given: str, url: str
) -> None:
    bootstrap()
    env.update(WEB_HOST=host, WEB_PORT=port, INBOX_URL=given)
    bootstrap()
    assert Destination.objects.get().config == {"url": f"{url}/inbox/deliver/inbox"}


def test_without_an_inbox_and_a_password_there_is_only_the_source(env: dict[str, Any]) -> None:
    env.update(INBOX_ENABLED=False, ADMIN_PASSWORD="")
    assert bootstrap()["admin_user"] == ""
    assert not Destination.objects.exists()
    assert not get_user_model().objects.exists()
