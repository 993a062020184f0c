"""The environment every process of the stack gets. What the user set always wins.

Owns the defaults that only the local start gives. Must never print a value.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from rudderproj import env
from rudderproj.env_rules import is_loopback, suspicious

from . import saved
from .datadir import DataDir
from .errors import StackError


@dataclass(frozen=True)
class Settings:
    """The few values that the start itself needs."""

    web_host: str
    web_port: int
    flower_port: int
    flower_user: str
    forward_autoscale: str
    data_dir: str


def settings(environ: Mapping[str, str]) -> Settings:
    """Read and check them all. Raises StackError naming the variable that cannot be used."""
    try:
        known = env.read(environ)
    except env.EnvError as error:
        raise StackError(str(error), 2) from None
    if known["WEB_PORT"] == known["FLOWER_PORT"]:
        raise StackError(f"WEB_PORT and FLOWER_PORT are both {known['WEB_PORT']}", 2)
    return Settings(
        web_host=known["WEB_HOST"],
        web_port=known["WEB_PORT"],
        flower_port=known["FLOWER_PORT"],
        flower_user=known["FLOWER_USER"],
        forward_autoscale=known["FORWARD_AUTOSCALE"],
        data_dir=environ.get("DATA_DIR") or str(saved.DEFAULT_DATA_DIR),
    )


def remarks(environ: Mapping[str, str]) -> list[str]:
    """Lines about settings that are accepted and probably not meant."""
    lines = suspicious(environ, [variable.name for variable in env.VARIABLES])
    if environ.get("DATABASE_URL") and not environ.get("SECRETS_KEYS"):
        lines.append(
            "DATABASE_URL is set and SECRETS_KEYS is not: this machine uses the key in its DATA_DIR/secrets.json; "
            "keep that file, and give every other machine the same"
        )
    return lines


def complete(environ: dict[str, str], chosen: Settings, data: DataDir) -> dict[str, str]:
    """`environ` with everything filled in that it does not name."""
    defaults = {
        "DATA_DIR": str(data.root),
        "WEB_HOST": chosen.web_host,
        "WEB_PORT": str(chosen.web_port),
        "FLOWER_PORT": str(chosen.flower_port),
        "FLOWER_USER": chosen.flower_user,
        "FLOWER_PASSWORD": data.secrets["flower_password"],
        "FLOWER_ADDRESS": "127.0.0.1",
        "SECRET_KEY": data.secrets["secret_key"],
        "SECRETS_KEYS": data.secrets["secrets_keys"],
        "ADMIN_PASSWORD": data.secrets["admin_password"],
        "PYTHONUNBUFFERED": "1",
    }
    if is_loopback(chosen.web_host):
        # Open only as long as nobody else can reach them.
        defaults |= {"INBOX_ENABLED": "1", "METRICS_OPEN": "1", "EGRESS_ALLOW": "127.0.0.0/8,::1/128"}
    elif chosen.web_host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        shown = f"[{chosen.web_host}]" if ":" in chosen.web_host else chosen.web_host
        defaults["ALLOWED_HOSTS"] = f"localhost,127.0.0.1,[::1],{shown}"
    whole = environ | {name: value for name, value in defaults.items() if not environ.get(name)}
    whole["DATA_DIR"] = str(data.root)
    whole["RUN_ID"] = uuid.uuid4().hex  # nothing of an earlier run has come back by itself
    whole.setdefault("FLOWER_BASIC_AUTH", f"{whole['FLOWER_USER']}:{whole['FLOWER_PASSWORD']}")
    return whole
