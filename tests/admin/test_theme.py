"""What every page shares: nothing from outside, the mode's banner, the deployment's name."""

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.test import Client

from alerts import modes

_ASSET = re.compile(r"""<(?:script|link|img)[^>]+?(?:src|href)="([^"]+)\"""")
_OUTSIDE = re.compile(r"""(?:url\(|@import\s+|src=|href=)["'(]*(?:https?:)?//(?!www\.w3\.org)""")


def test_pages_ask_for_nothing_but_static_files_that_are_there(client: Client) -> None:
    for path in ("/admin/", "/admin/ingest/source/add/", "/admin/destinations/delivery/", "/admin/auth/user/add/"):
        page = client.get(path).content.decode()
        assert not _OUTSIDE.search(page)
        for asset in _ASSET.findall(page):
            if asset.startswith("/static/"):
                assert finders.find(asset.removeprefix("/static/")), asset
            else:
                assert asset.startswith(("/admin/", "#")), asset


def test_stylesheets_ask_for_nothing_outside(client: Client) -> None:
    sheets = [asset for asset in _ASSET.findall(client.get("/admin/").content.decode()) if asset.endswith(".css")]
    assert "/static/rudderproj/admin.css" in sheets
    for sheet in sheets:
        with open(str(finders.find(sheet.removeprefix("/static/"))), encoding="utf-8") as file:
            assert not _OUTSIDE.search(file.read()), sheet


def test_degraded_mode_is_told_on_every_page_but_to_nobody_outside(client: Client) -> None:
    assert "Degraded mode" not in client.get("/admin/").content.decode()
    modes.set_mode("degraded", "moving the <warehouse>", "ada")
    for path in ("/admin/", "/admin/ingest/source/", "/admin/ingest/loggedevent/", "/admin/alerts/mode/1/change/"):
        page = client.get(path).content.decode()
        assert "Degraded mode" in page
        assert "moving the &lt;warehouse&gt;" in page
    assert "warehouse" not in Client().get("/admin/login/").content.decode()


@pytest.mark.parametrize(("name", "tone"), [("production", "text-red-700"), ("staging", "text-blue-700")])
def test_the_deployments_name_is_shown(client: Client, settings: Any, name: str, tone: str) -> None:
    settings.ENV = settings.ENV | {"ENVIRONMENT_NAME": name}
    page = client.get("/admin/").content.decode()
    assert re.search(rf"{tone}[^>]*>\s*{name}\s*<", page)


def test_the_navigation_holds_what_the_user_may_see(committed: None) -> None:
    staff = Client()
    staff.force_login(get_user_model().objects.create_user("bob", password="x", is_staff=True))
    page = staff.get("/admin/").content.decode()
    assert "/admin/destinations/destination/" not in page
    assert "/admin/auth/user/" not in page


def test_logging_in_leads_to_the_dashboard(committed: None) -> None:
    get_user_model().objects.create_superuser("ada", password="x")
    answer = Client().post("/admin/login/", {"username": "ada", "password": "x"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/")
