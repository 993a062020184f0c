"""What a drill reads off the stack that it breaks."""

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
