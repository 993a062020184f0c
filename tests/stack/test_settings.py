"""What the start writes down and passes on: no secret in the supervisor's file, the user's values always win."""

import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

from rudderproj import env
from rudderproj.stack import environment, ports, programs, saved, supervise
from rudderproj.stack.datadir import DataDir, open_data_dir

GENERATED = ("SECRET_KEY", "ADMIN_PASSWORD", "FLOWER_PASSWORD")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDir]:
    opened = open_data_dir(str(tmp_path / "100 % data"))
    yield opened
    opened.close()


def test_the_supervisor_never_gives_up_and_stops_celery_by_its_main_process(data: DataDir) -> None:
    chosen = environment.settings({})
    text = supervise.render(data, programs.application(chosen, data.root))
    found = configparser.RawConfigParser()
    found.read_string(text)

    for name in ("web", "forward", "alerts", "beat", "flower"):
        section = found[f"program:{name}"]
        assert section["autorestart"] == "true"
        assert section["startsecs"] == "0"
        assert section["stopsignal"] == "TERM"
        assert (section["stopasgroup"], section["killasgroup"]) == ("false", "true")
    assert found["group:work"]["programs"] == "web,forward,alerts"
    assert int(found["group:work"]["priority"]) > int(found["group:background"]["priority"])
    assert [value for value in data.secrets.values() if value in text] == []


def test_the_local_start_opens_loopback_and_inbox(data: DataDir) -> None:
    whole = environment.complete({}, environment.settings({}), data)
    assert whole["EGRESS_ALLOW"] == "127.0.0.0/8,::1/128"
    assert whole["INBOX_ENABLED"] == "1"
    assert whole["DATA_DIR"] == str(data.root)
    assert whole["FLOWER_BASIC_AUTH"] == f"admin:{data.secrets['flower_password']}"
    assert all(whole[name] for name in GENERATED)


def test_a_start_that_others_can_reach_opens_neither(data: DataDir) -> None:
    mine = {"WEB_HOST": "0.0.0.0"}
    whole = environment.complete(mine, environment.settings(mine), data)
    assert "EGRESS_ALLOW" not in whole
    assert "INBOX_ENABLED" not in whole


def test_the_address_it_listens_on_is_an_allowed_host(data: DataDir) -> None:
    mine = {"WEB_HOST": "10.1.2.3"}
    whole = environment.complete(mine, environment.settings(mine), data)
    assert whole["ALLOWED_HOSTS"] == "localhost,127.0.0.1,[::1],10.1.2.3"


def test_what_the_user_set_wins(data: DataDir) -> None:
    mine = {"SECRET_KEY": "mine", "INBOX_ENABLED": "0", "EGRESS_ALLOW": "10.0.0.0/8", "FLOWER_USER": "eve"}
    whole = environment.complete(mine, environment.settings(mine), data)
    assert {name: whole[name] for name in mine} == mine


def test_a_command_by_hand_finds_the_stack_but_keeps_what_the_user_set(data: DataDir) -> None:
    saved.save(data.root, {"DATABASE_URL": "postgresql://stack", "SECRET_KEY": "generated", "HOME": "/private"})
    environ = {"DATA_DIR": str(data.root), "SECRET_KEY": "mine", "DATABASE_URL": ""}
    saved.adopt(environ)
    assert environ == {"DATA_DIR": str(data.root), "SECRET_KEY": "mine", "DATABASE_URL": "postgresql://stack"}
    assert (data.root / "environment.json").stat().st_mode & 0o777 == 0o600


def test_upkeep_by_hand_keeps_what_the_stack_was_told_to_keep(data: DataDir) -> None:
    names = [variable.name for variable in env.VARIABLES if variable.name.startswith("RETENTION_")]
    assert len(names) > 5
    saved.save(data.root, dict.fromkeys(names, "365"))
    environ = {"DATA_DIR": str(data.root)}
    saved.adopt(environ)
    assert environ == {"DATA_DIR": str(data.root), **dict.fromkeys(names, "365")}


def test_without_a_stack_a_command_by_hand_gets_nothing(tmp_path: Path) -> None:
    environ = {"DATA_DIR": str(tmp_path / "none")}
    saved.adopt(environ)
    assert environ == {"DATA_DIR": str(tmp_path / "none")}


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = open_data_dir(str(tmp_path / "data"))
    first.close()
    second = open_data_dir(str(tmp_path / "data"))
    second.close()
    assert first.secrets == second.secrets
    assert len(set(first.secrets.values())) == len(first.secrets)
    assert (tmp_path / "data/secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_kept_port_stays_and_no_two_names_share_one(tmp_path: Path) -> None:
    kept = tmp_path / "ports.json"
    first = ports.kept_port(kept, "postgres")
    other = ports.kept_port(kept, "valkey")
    assert ports.kept_port(kept, "postgres") == first
    assert other != first
