"""Logins are throttled by account and address, in a way that does not lock out whom it protects."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from rudderproj import upkeep
from rudderproj.logins import throttle
from rudderproj.logins.models import Login

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def ada(db: None) -> None:
    get_user_model().objects.create_superuser("ada", password=PASSWORD)


def log_in(password: str, name: str = "ada", address: str = "192.0.2.1", **more: str) -> Any:
    posted = {"username": name, "password": password}
    return Client().post("/admin/login/", posted, REMOTE_ADDR=address, headers=more)


def succeeds(address: str = "192.0.2.1", **more: str) -> bool:
    return bool(log_in(PASSWORD, address=address, **more).status_code == 302)


def fail(times: int, **where: str) -> None:
    for _ in range(times):
        assert log_in("wrong", **where).status_code == 200


def test_after_five_failures_even_the_right_password_is_turned_away_and_told_why() -> None:
    fail(4)
    assert succeeds()
    fail(5)
    answer = log_in(PASSWORD)
    assert throttle.REFUSED in answer.content.decode()
    assert Login.objects.filter(succeeded=False).count() == 5  # trying on prolongs nothing


def test_others_are_not_bound_by_it() -> None:
    fail(5)
    assert not succeeds()
    assert succeeds(address="192.0.2.2")


def test_a_quarter_of_an_hour_later_or_unlocked_everybody_may_try_again() -> None:
    fail(5)
    Login.objects.update(at="2000-01-01T00:00:00Z")
    assert succeeds()
    fail(5)
    call_command("unlock", verbosity=0)
    assert succeeds()


def test_one_address_cannot_try_many_accounts() -> None:
    for number in range(throttle.ADDRESS_TRIES):
        fail(1, name=f"user-{number}")
    assert not succeeds()
    assert succeeds(address="192.0.2.2")


def test_many_addresses_cannot_try_one_account_and_cannot_lock_it_where_it_is_used() -> None:
    assert succeeds(address="198.51.100.1")
    for number in range(throttle.ACCOUNT_TRIES):
        fail(1, address=f"203.0.113.{number}")
    assert not succeeds(address="203.0.113.200")
    assert succeeds(address="198.51.100.1")


def test_an_ipv6_client_is_its_network() -> None:
    for number in range(5):
        fail(1, address=f"2001:db8::{number + 1:x}")
    assert not succeeds(address="2001:db8::ffff")
    assert succeeds(address="2001:db8:0:1::1")


def test_behind_a_trusted_proxy_the_client_counts_and_a_client_cannot_pose_as_another(settings: Any) -> None:
    settings.ENV = settings.ENV | {"TRUSTED_PROXIES": ["10.0.0.0/8"]}
    for number in range(5):
        fail(1, address="10.0.0.1", **{"x-forwarded-for": f"1.2.3.{number}, 192.0.2.1"})
    assert not succeeds(address="10.0.0.1", **{"x-forwarded-for": "9.9.9.9, 192.0.2.1"})
    assert succeeds(address="10.0.0.1", **{"x-forwarded-for": "192.0.2.9"})


def test_the_name_that_was_typed_is_not_kept() -> None:
    fail(1, name="my-password-in-the-wrong-field")
    assert "my-password" not in str(Login.objects.values_list().get())


def test_old_tries_and_ended_sessions_are_deleted(committed: None) -> None:
    get_user_model().objects.get_or_create(username="bob")
    fail(1)
    Login.objects.update(at="2000-01-01T00:00:00Z")
    done = upkeep.run(due_only=False) or {}
    assert done["old_logins_deleted"] == 1
    assert done["ended_sessions_deleted"] == 0
