"""Rollouts that come to their end: all pods are replaced, and at no moment is anybody missing."""

import subprocess

from drills.kube import release, seen
from drills.kube.view import SOON, View


def replace(view: View, process: subprocess.Popen[bytes], program: str) -> None:
    """Until one that a program began is over: at no look may fewer than ever be ready."""
    timeline, promised = view.timeline, view.promised()
    low = view.lowest(lambda: process.poll() is not None and not release.rolling(view.plane))
    timeline.expect(process.returncode == 0, f"{program} is done", f"its exit code is {process.returncode}")
    fewer = seen.dipped(low, promised)
    timeline.expect(not fewer, "meanwhile as many as ever were ready", ", ".join(fewer))
    timeline.wait("all pods are ready", view.not_whole, SOON)
