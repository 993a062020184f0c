"""What a drill reads off the stack that it breaks."""

import json
import os
from pathlib import Path

from drills.stack import Stack


def test_a_program_that_the_supervisor_killed_when_it_was_to_end_is_counted(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {})
    assert stack.times_killed_in_stop() == 0

    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "supervisord.log.1").write_text("INFO stopped: web\nWARN killing 'web' (7) with SIGKILL\n")
    (tmp_path / "logs" / "supervisord.log").write_text("WARN killing 'beat' (8) with SIGKILL\n")
    (tmp_path / "logs" / "web.log").write_text("killed with SIGKILL\n")
    assert stack.times_killed_in_stop() == 2


def test_a_stack_is_alone_unless_its_stage_has_more(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {})

    assert stack.together == (stack,)


def test_services_are_the_stacks_own_unless_the_environment_names_others(tmp_path: Path) -> None:
    assert Stack(tmp_path, {}).others == ("supervisord", "flower", "postgres", "valkey")
    assert Stack(tmp_path, {"DATABASE_URL": "postgres://"}).others == ("supervisord", "flower", "valkey")
    assert Stack(tmp_path, {"CELERY_BROKER_URL": "redis://"}).others == ("supervisord", "flower", "postgres")


def test_a_service_answers_when_it_is_asked_and_one_that_is_not_there_does_not(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {})
    here = {name: os.environ[name] for name in ("DATABASE_URL", "CELERY_BROKER_URL")}
    (tmp_path / "environment.json").write_text(json.dumps(here))
    assert (stack.has_database(), stack.has_broker()) == (True, True)

    nowhere = {"DATABASE_URL": "postgres://127.0.0.1:1/none", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    (tmp_path / "environment.json").write_text(json.dumps(nowhere))
    assert (stack.has_database(), stack.has_broker()) == (False, False)
