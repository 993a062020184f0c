"""Network namespaces with a link each to this machine, which is cut and healed: nothing tells either end. As root.

Must never leave one behind, nor meet one of a run that lives; those of runs that were killed are removed.
"""

import contextlib
import os
import re
import subprocess
from pathlib import Path

_OURS = re.compile(r"(?:drill|zone|dr|dz)[0-9b]-(\d+)")


def ip(*words: str) -> None:
    """Raises subprocess.CalledProcessError, or OSError when there is no such program."""
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Namespace:
    """One namespace, `address` (with its length) in it, and `link` to it."""

    def __init__(self, name: str, link: str, address: str) -> None:
        self.name, self.link, self._address = f"{name}-{os.getpid()}", f"{link}-{os.getpid()}", address
        self.prefix = ("ip", "netns", "exec", self.name)  # what a command begins with that runs there

    def make(self) -> None:
        """Not connected yet."""
        ip("netns", "add", self.name)
        ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self.ip("addr", "add", self._address, "dev", "eth0")
        self.ip("link", "set", "lo", "up")

    def ip(self, *words: str) -> None:
        """The same inside."""
        ip("-n", self.name, *words)

    def cut(self) -> None:
        """From now on nothing passes."""
        ip("link", "set", self.link, "down")

    def heal(self) -> None:
        ip("link", "set", self.link, "up")
        self.ip("link", "set", "eth0", "up")

    def remove(self) -> None:
        """Its link first: one that goes with its namespace keeps its name until the kernel gets to it."""
        for kind, name in (("link", self.link), ("netns", self.name)):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip(kind, "del", name)


def remove_leftovers() -> None:
    """Of runs that were killed."""
    for folder, kind in (("/run/netns", "netns"), ("/sys/class/net", "link")):
        for path in filter(lambda path: is_left_over(path.name), Path(folder).glob("*")):
            with contextlib.suppress(subprocess.CalledProcessError):  # a link goes with its namespace
                ip(kind, "del", path.name)


def is_left_over(name: str) -> bool:
    """Whether a drill made it whose process, which is in the name, is gone."""
    found = _OURS.fullmatch(name)
    return found is not None and not Path(f"/proc/{found[1]}").exists()
