"""DATABASE_URL as libpq reads it: several hosts, of which the one that takes writes is wanted."""

import pytest

from rudderproj import dsn
from rudderproj.env import read
from rudderproj.settings import ENV, database


def test_several_hosts_reach_django_and_only_one_that_can_be_written_will_do() -> None:
    made = database("postgresql://u:p%40ss@db1:5432,db2:5433/events")

    assert (made["HOST"], made["PORT"], made["NAME"], made["USER"]) == ("db1,db2", "5432,5433", "events", "u")
    assert made["PASSWORD"] == "p@ss"
    assert made["OPTIONS"]["target_session_attrs"] == "read-write"


def test_what_the_url_says_about_the_wanted_server_wins() -> None:
    assert dsn.parameters("postgresql://db1,db2/x?target_session_attrs=any")["target_session_attrs"] == "any"


def test_one_host_is_taken_as_it_is() -> None:
    assert dsn.parameters("postgresql://db1:5432/x") == {"host": "db1", "port": "5432", "dbname": "x"}


def test_no_url_is_no_parameters() -> None:
    assert dsn.parameters("") == {}


@pytest.mark.parametrize("url", ["mysql://h/d", "postgresql://h:port/d", "postgresql://h:1,g:port/d", "host=h", "x"])
def test_what_libpq_cannot_use_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a URL starting with postgres:// or postgresql://$"):
        dsn.parameters(url)


@pytest.mark.parametrize(("given", "milliseconds"), [("30", 30000), ("0.5", 500), ("0", 0), ("0.0", 0)])
def test_a_statement_may_take_as_long_as_is_set_and_for_ever_with_0(
    given: str, milliseconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "DATABASE_STATEMENT_SECONDS"
    monkeypatch.setitem(ENV, name, read({name: given})[name])
    monkeypatch.setitem(ENV, "DATABASE_LOCK_SECONDS", 3.0)
    words = database("postgresql://db1/x")["OPTIONS"]["options"].split()
    assert {f"statement_timeout={milliseconds}", "lock_timeout=3000"} <= set(words)
