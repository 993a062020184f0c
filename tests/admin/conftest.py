"""A logged-in client, and pages fetched with it."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client


@pytest.fixture
def client(committed: None) -> Client:
    made = Client()
    made.force_login(get_user_model().objects.create_superuser("ada", password="x"))
    return made
