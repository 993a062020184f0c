"""`manage.py source`."""

import pytest
from django.core.management import call_command

from ingest.models import Source


def test_retiring_is_explained_before_it_is_done(committed: None, capsys: pytest.CaptureFixture[str]) -> None:
    Source.objects.create(name="app", write_key="K")
    with pytest.raises(SystemExit) as ended:
        call_command("source", "retire", "app")
    assert ended.value.code == 2
    assert "delete the events they have stored" in capsys.readouterr().err
    assert Source.objects.get().state == "enabled"

    call_command("source", "retire", "app", "--yes")
    call_command("source", "retire", "app", "--yes")
    assert capsys.readouterr().out == "now retired\nalready retired\n"
    call_command("source", "list")
    assert "retired" in capsys.readouterr().out
    call_command("source", "restore", "app")
    assert Source.objects.get().state == "enabled"


def test_an_unknown_source_is_refused_in_one_line(committed: None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("source", "restore", "nobody")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "no source is named 'nobody'\n"
