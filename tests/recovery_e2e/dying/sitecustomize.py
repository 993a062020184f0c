"""On the PYTHONPATH of a stack under test: processes of a role die as they start, as often as a file of that name says.

Before anything of theirs is imported, by a segmentation fault: nothing in Python can catch that. A forwarding process
also dies of an event with `properties.death`, and while a file named `plugin` says so, as it imports the webhook.
"""

import ctypes
import fcntl
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

PLUGIN = "destinations.plugins.webhook.plugin"


def _role(argv: list[str]) -> str:
    if argv[:2] == ["-m", "rudderproj.server"]:
        return "web"
    return next((role for role in ("forward", "alerts", "beat") if role in argv), "") if "celery" in argv[:2] else ""


def _die_if_told(role: str) -> None:
    try:
        with open(os.path.join(os.environ["DYING_DIR"], role), "r+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            left = int(file.read() or 0)
            if not left:
                return
            file.seek(0)
            file.truncate()
            file.write(str(left - 1))
    except (KeyError, OSError):
        return
    ctypes.string_at(0)


class _DeadlyPlugin(importlib.abc.MetaPathFinder):
    """Has the webhook imported as it is, then made deadly."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != PLUGIN:
            return None
        _die_if_told("plugin")
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.loader
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            build = module.build

            def deadly(event_json: str, event: dict[str, Any], config: Any, context: Any) -> Any:
                if event.get("properties", {}).get("death"):
                    ctypes.string_at(0)
                return build(event_json, event, config, context)

            module.__dict__["build"] = deadly

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_me = _role(sys.orig_argv[1:])
_die_if_told(_me)
if _me == "forward":
    sys.meta_path.insert(0, _DeadlyPlugin())
