"""Logs and crash pages say where something failed, and nothing of the rows and values it failed with."""

import logging
import sys
from typing import Any

import psycopg2
import pytest
from django.db import IntegrityError, connection
from django.http import HttpRequest
from django.test import RequestFactory
from django.views.debug import technical_500_response

from rudderproj.logs import without_rows

CANARY = "canary-payload"


def failing_row() -> str:
    """What PostgreSQL says of a row that it refuses."""
    with connection.cursor() as cursor:
        with pytest.raises(IntegrityError) as caught:
            cursor.execute("INSERT INTO destinations_destination (name) VALUES (%s)", [CANARY])
        return str(caught.value)


def test_a_log_line_does_not_quote_the_row_that_a_statement_failed_on(db: None) -> None:
    said = failing_row()
    assert CANARY in said
    line = without_rows(None, "", {"event": "x", "error": said, "exception": f"Traceback\n{said}\nCONTEXT:  here"})
    assert CANARY not in str(line)
    assert "violates not-null constraint" in line["error"]
    assert line["exception"].endswith("CONTEXT:  here")


def test_the_real_log_leaves_it_out_too(db: None, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        raise psycopg2.IntegrityError(failing_row())
    except psycopg2.IntegrityError:
        formatter = logging.getLogger().handlers[0].formatter
        assert formatter is not None
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed", None, sys.exc_info())
        assert CANARY not in formatter.format(record)


def crash(request: HttpRequest) -> str:
    config = {"token": CANARY}
    try:
        raise ValueError("without the value", len(config))
    except ValueError:
        return technical_500_response(request, *sys.exc_info()).content.decode()


def test_a_crash_page_shows_names_and_types_but_no_values(db: None, settings: Any) -> None:
    settings.DEBUG = True
    settings.ENV = settings.ENV | {"DATABASE_URL": f"postgresql://u:{CANARY}@h/d"}
    page = crash(RequestFactory().post("/admin/", {"config": CANARY}))
    assert "without the value" in page
    assert "&lt;dict&gt;" in page
    assert page.count(CANARY) == page.count('CANARY = "canary-payload"') + page.count("CANARY = &quot;canary-payload")
    for name in ("SECRET_KEY", "SECRETS_KEYS", "DATABASE_URL"):
        assert str(settings.ENV[name] or "only-for-tests") not in page
