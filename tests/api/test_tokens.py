"""Tokens: made once, stored as a hash, found by it, and worth only their scopes."""

import io
import re
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.test import Client
from django.utils import timezone

from destinations.api import tokens
from destinations.api.models import ApiToken
from destinations.api.urls import operations
from tests.api.conftest import Api

READ = ["read"]


def test_a_secret_is_never_stored(committed: None) -> None:
    token, secret = tokens.create("ci", READ, "ada", None)
    assert secret.startswith(token.prefix)
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM api_apitoken t")
        ((row,),) = cursor.fetchall()
    assert secret not in row
    assert len({tokens.create(f"t{n}", READ, "", None)[1] for n in range(20)}) == 20


def test_a_token_is_found_by_its_secret_and_by_nothing_else(committed: None) -> None:
    token, secret = tokens.create("ci", READ, "ada", None)
    assert tokens.find(secret) == token
    for wrong in ("", secret[:-1], secret + "a", secret.upper(), token.digest, f" {secret}"):
        assert tokens.find(wrong) is None


def test_an_expired_or_revoked_token_is_not_found(committed: None) -> None:
    token, secret = tokens.create("ci", READ, "ada", timezone.now() + timedelta(days=1))
    assert tokens.find(secret) == token
    ApiToken.objects.update(expires_at=timezone.now())
    assert tokens.find(secret) is None
    ApiToken.objects.update(expires_at=None)
    assert tokens.revoke(token.pk) is True
    assert tokens.revoke(token.pk) is False
    assert tokens.find(secret) is None
    assert tokens.create("ci", READ, "ada", None)[0].name == "ci"


def test_its_last_use_is_noted_once_a_minute(committed: None) -> None:
    _, secret = tokens.create("ci", READ, "ada", None)
    tokens.find(secret)
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    tokens.find(secret)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    tokens.find(secret)
    again = ApiToken.objects.get().last_used_at
    assert again is not None
    assert again >= first


@pytest.mark.parametrize(
    ("name", "scopes", "message"),
    [
        ("ci", [], "expected a scope"),
        ("ci", ["read", "everything"], "unknown scope everything"),
        ("", READ, "expected a name"),
        (" ci", READ, "expected a name"),
        ("c\ni", READ, "expected a name"),
        ("x" * 101, READ, "expected a name"),
    ],
)
def test_a_wrong_token_is_refused(committed: None, name: str, scopes: list[str], message: str) -> None:
    with pytest.raises(tokens.TokenRefused, match=message):
        tokens.create(name, scopes, "ada", None)


def test_a_name_is_in_force_once(committed: None) -> None:
    tokens.create("ci", READ, "ada", None)
    with pytest.raises(tokens.TokenRefused, match="in force already"):
        tokens.create("ci", READ, "ada", None)
    with pytest.raises(tokens.TokenRefused, match="expired already"):
        tokens.create("old", READ, "ada", timezone.now())


def test_the_database_refuses_a_token_without_a_scope(committed: None) -> None:
    with pytest.raises(IntegrityError, match="api_token_has_a_scope"):
        ApiToken.objects.create(name="x", digest="x", scopes=[])


def command(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("token", *arguments, stdout=out, stderr=err)
    except SystemExit as stopped:
        return int(str(stopped.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_the_command_makes_lists_and_revokes(committed: None) -> None:
    status, secret, told = command("create", "ci", "--scope", "read", "--scope", "mode:write", "--days", "30")
    assert status == 0
    assert "may read, mode:write" in told
    found = tokens.find(secret.strip())
    assert found is not None
    assert found.expires_at is not None
    _, listed, _ = command("list")
    assert "ci" in listed
    assert found.prefix in listed
    assert secret.strip() not in listed
    assert command("revoke", "ci") == (0, "revoked\n", "")
    assert command("revoke", "ci") == (2, "", "no token named 'ci' is in force\n")
    assert tokens.find(secret.strip()) is None


def test_the_command_says_what_is_wrong(committed: None) -> None:
    assert command("create", "ci")[0] == 2
    assert command("create", "ci", "--scope", "x")[2].startswith("unknown scope x")
    assert command("create", "ci", "--scope", "read", "--days", "0") == (2, "", "--days: expected 1 to 36500\n")


def test_without_a_token_there_is_nothing(committed: None) -> None:
    for header in ("", "Bearer ", "Bearer wrong", "Basic cnA6eA==", "Bearer \xff"):
        answer = Client().get("/api/v1/mode", headers={"authorization": header} if header else {})
        assert answer.status_code == 401, header
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == 401


def test_every_operation_needs_a_scope_of_its_own(allowed: Callable[..., Api]) -> None:
    checked = 0
    for pattern in operations:
        view = pattern.callback.view_class  # type: ignore[attr-defined]
        path = re.sub("<int:[a-z]+>", "1", str(pattern.pattern)).removeprefix("api/v1/")
        path = path.replace("<str:place>", "1-1-1-1").replace("<uuid:pk>", str(uuid.UUID(int=0)))
        methods = [name.upper() for name in ("get", "post", "patch", "put", "delete") if hasattr(view, name)]
        assert set(methods) == set(view.scopes), path
        for method in methods:
            others = [scope for scope in ApiToken.Scope.values if scope != view.scopes[method]]
            status, body = allowed(*others).call(method, path, {})
            assert (status, body["detail"]) == (403, f"the token lacks the scope {view.scopes[method].value}")
            status, _ = allowed(view.scopes[method].value).call(method, path, {} if method != "GET" else None)
            assert status not in (401, 403), path
            checked += 1
    assert checked > 20


def test_a_session_of_the_admin_opens_nothing(committed: None, django_user_model: type) -> None:
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("ada", password="x"))  # type: ignore[attr-defined]
    assert client.get("/api/v1/mode").status_code == 401


def test_a_token_that_asks_too_often_is_told_when_to_come_back(
    api: Api, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    settings.ENV = settings.ENV | {"API_RATE_LIMIT": 1}  # type: ignore[attr-defined]
    answers = [Client().get("/api/v1/mode", headers={"authorization": f"Bearer {api.secret}"}) for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0]["Retry-After"] == "1"
    assert refused[0].json()["title"] == "Too Many Requests"
