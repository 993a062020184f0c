"""Tokens in the admin: the secret is shown once, and nothing but revoking changes a token."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from destinations.api import tokens
from destinations.api.models import ApiToken

LIST = "/admin/api/apitoken/"


@pytest.fixture
def client(committed: None) -> Client:
    made = Client()
    made.force_login(get_user_model().objects.create_superuser("ada", password="x"))
    return made


def add(client: Client, **values: object) -> str:
    form = {"name": "ci", "scopes": ["read", "mode:write"], "expires_at_0": "", "expires_at_1": ""} | values
    answer = client.post(f"{LIST}add/", form)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"] or "errorlist" in answer.content.decode()
    return answer.content.decode()


def test_a_token_is_made_and_its_secret_shown_once(client: Client) -> None:
    shown = add(client)
    (secret,) = set(re.findall(r"rp_[\w-]{43}", shown))
    token = tokens.find(secret)
    assert token is not None
    assert (token.name, token.scopes, token.created_by) == ("ci", ["read", "mode:write"], "ada")
    for path in ("", f"{token.pk}/change/", f"{token.pk}/history/"):
        page = client.get(f"{LIST}{path}")
        assert page.status_code == 200
        assert secret not in page.content.decode()
    assert "in force" in client.get(LIST).content.decode()


def test_a_wrong_token_is_refused_in_the_form(client: Client) -> None:
    add(client)
    assert "in force already" in add(client)
    assert "This field is required" in add(client, name="x", scopes=[])
    assert "expired already" in add(client, name="x", expires_at_0="2020-01-01", expires_at_1="00:00:00")
    assert ApiToken.objects.count() == 1


def test_a_token_is_revoked_and_never_changed_or_deleted(client: Client) -> None:
    token, secret = tokens.create("ci", ["read"], "bob", None)
    client.post(f"{LIST}{token.pk}/change/", {"name": "other", "scopes": ["mode:write"]})
    token.refresh_from_db()
    assert (token.name, token.scopes, token.created_by) == ("ci", ["read"], "bob")
    assert client.post(f"{LIST}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{LIST}{token.pk}/press/revoke/").status_code == 405
    assert tokens.find(secret) is not None
    assert client.post(f"{LIST}{token.pk}/press/revoke/").status_code == 302
    assert tokens.find(secret) is None
    assert "Revoked." in client.get(f"{LIST}{token.pk}/history/").content.decode()
