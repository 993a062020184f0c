"""Run a program under a uid that is not 0, because PostgreSQL refuses root.

Owns the two ways: a user namespace in which our own uid has another number (files keep their owner, every folder
we can reach stays reachable), else becoming `nobody`. Must never create an account or open a folder to others.
"""

import ctypes
import os
import pwd
import sys
from pathlib import Path

from .errors import StackError

AS_SELF, AS_NAMESPACE, AS_NOBODY = "self", "namespace", "nobody"
CLONE_NEWUSER = 0x10000000


def choose(paths: list[Path]) -> str:
    """The first way that works here and can reach all of `paths`. Raises StackError if none does."""
    if os.geteuid() != 0 and _has_account(os.geteuid()):
        return AS_SELF
    ways = [AS_NAMESPACE, AS_NOBODY] if os.geteuid() == 0 else [AS_NAMESPACE]
    for way in ways:
        if _works(way, paths):
            return way
    if os.geteuid() == 0:
        raise StackError(
            f"PostgreSQL does not run as root, and no other user can reach {paths[0]} and {paths[-1]}; "
            "run as a plain user, choose a DATA_DIR that others can pass through, or set DATABASE_URL"
        )
    raise StackError(f"user id {os.geteuid()} has no account, which PostgreSQL needs; set DATABASE_URL")


def enter(way: str) -> None:
    """Change this process; it must have one thread and be about to exec."""
    if way == AS_NAMESPACE:
        _enter_namespace(_account().pw_uid)
    elif way == AS_NOBODY:
        account = _account()
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


def owner(way: str) -> int:
    """The uid that files of such a process have, seen from here."""
    return _account().pw_uid if way == AS_NOBODY else os.geteuid()


def _works(way: str, paths: list[Path]) -> bool:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            enter(way)
            status = 0 if os.geteuid() != 0 and all(os.access(path, os.X_OK) for path in paths) else 1
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _enter_namespace(uid: int) -> None:
    if sys.platform != "linux":
        raise OSError("user namespaces are Linux only")
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    # os.unshare exists only from Python 3.12 on.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{uid} {outer_gid} 1")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")


def _account() -> pwd.struct_passwd:
    """`nobody`, else any account that is not root's."""
    accounts = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    accounts.sort(key=lambda entry: entry.pw_name != "nobody")
    if not accounts:
        raise OSError("no account but root's")
    return accounts[0]


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
