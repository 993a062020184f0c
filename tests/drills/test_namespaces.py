"""What a killed run of drills has left behind is removed, and nothing else."""

import os
import subprocess
import sys

from drills.faults.machines import Machine
from drills.namespaces import is_left_over
from drills.zones import Zone


def test_only_what_a_drill_made_whose_process_is_gone_is_left_over() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    made = [Machine(1), Machine(2), Zone(1, "bridge"), Zone(3, "bridge")]
    names = [name for one in made for name in (one.name, one.link)] + [f"dzb-{os.getpid()}"]

    assert [is_left_over(name.replace(str(os.getpid()), str(gone.pid))) for name in names] == [True] * 9
    assert [is_left_over(name) for name in names] == [False] * 9
    assert [is_left_over(name) for name in ("lo", "eth0", f"veth1-{gone.pid}", f"drill1-{gone.pid}-x")] == [False] * 4
