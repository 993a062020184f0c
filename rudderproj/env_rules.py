"""Settings judged together: which values cannot be used beside others, and which names look like mistakes.

A rule takes the parsed values and returns what is wrong in one line, or None. Must never import Django, or put a value
of a secret into a line.
"""

import difflib
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Values = Mapping[str, Any]
Rule = Callable[[Values], str | None]

# Of variables that only we read: an unknown one with such a beginning is a mistake, not somebody else's.
_ALERT_PREFIXES = ("ALERT_", "PAGERDUTY_", "VICTOROPS_")
_PREFIXES = (
    "FORWARD_",
    "RETRY_",
    "INGEST_",
    "EGRESS_",
    "SECRETS_",
    "INBOX_",
    "RETENTION_",
    "METRICS_",
    "API_RATE_",
    *_ALERT_PREFIXES,
)
ROUTING_KEYS = {"pagerduty": "PG_ROUTING_KEY", "victorops": "VICTOROPS_ROUTING_KEY"}
METRICS_PORTS = 3  # one a role: rudderproj.metrics_server.ROLES
_LIKE = 0.86  # how similar a name must be to one of ours to be taken for it


def _retry_delays(env: Values) -> str | None:
    if env["RETRY_BASE_SECONDS"] > env["RETRY_MAX_SECONDS"]:
        return "RETRY_BASE_SECONDS is above RETRY_MAX_SECONDS: the first delay would be longer than the longest"
    return None


def _body_memory(env: Values) -> str | None:
    if env["INGEST_MAX_BODY_BYTES"] > env["WEB_BODY_MEMORY_BYTES"]:
        return "INGEST_MAX_BODY_BYTES is above WEB_BODY_MEMORY_BYTES: the largest body would never be accepted"
    return None


def _threads(env: Values) -> str | None:
    if env["WEB_THREADS"] > env["WEB_MAX_REQUESTS"]:
        return "WEB_THREADS is above WEB_MAX_REQUESTS: some threads would never work"
    return None


def _https(env: Values) -> str | None:
    if env["HTTPS_ONLY"] and not env["TRUSTED_PROXIES"]:
        return "HTTPS_ONLY needs TRUSTED_PROXIES: without, no request is known to have come by https"
    return None


def _metrics_ports(env: Values) -> str | None:
    first = env["METRICS_PORT"]
    if first and first + METRICS_PORTS - 1 > 65535:
        return f"METRICS_PORT: {METRICS_PORTS} ports from there on are needed, and there are none above 65535"
    if first and env["WEB_PORT"] in range(first, first + METRICS_PORTS):
        return f"METRICS_PORT: the {METRICS_PORTS} ports from there on include WEB_PORT"
    return None


def _alert_providers(env: Values) -> str | None:
    for provider, key in ROUTING_KEYS.items():
        if provider in env["ALERT_PROVIDER"] and not env[key]:
            return f"ALERT_PROVIDER names {provider}, which needs {key}"
    return None


RULES: tuple[Rule, ...] = (_retry_delays, _body_memory, _threads, _https, _metrics_ports, _alert_providers)


def _secret_key(env: Values) -> str | None:
    return None if env["SECRET_KEY"] else "SECRET_KEY is not set: sessions could be forged (`openssl rand -base64 48`)"


def _secrets_keys(env: Values) -> str | None:
    if env["SECRETS_KEYS"]:
        return None
    return (
        "SECRETS_KEYS is not set: destinations' secrets could not be read (`openssl rand -base64 32`, "
        "the same in every process)"
    )


def _database(env: Values) -> str | None:
    return None if env["DATABASE_URL"] else "DATABASE_URL is not set: there is no database (`make run` starts its own)"


# What only long-running processes need: commands such as makemigrations work without.
SERVING_RULES: tuple[Rule, ...] = (_secret_key, _secrets_keys, _database)


def serving_problems(env: Values) -> list[str]:
    """Why a web process or worker must not start with these values; empty when it may."""
    return [problem for rule in SERVING_RULES if (problem := rule(env))]


def is_loopback(host: str) -> bool:
    """Whether a server listening there can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def doubts(env: Values) -> list[str]:
    """A line for each value that is accepted, and dangerous where others can reach the web process."""
    if is_loopback(env["WEB_HOST"]):
        return []
    found = {
        "DEBUG is on: crash pages tell strangers about the code": env["DEBUG"],
        "INBOX_ENABLED is on: whoever reaches /inbox/ reads events": env["INBOX_ENABLED"] and not env["PUBLIC_ONLY"],
        "METRICS_OPEN is on: whoever reaches /metrics reads figures": env["METRICS_OPEN"] and not env["PUBLIC_ONLY"],
        "ALLOWED_HOSTS contains *: pages answer under any name": "*" in env["ALLOWED_HOSTS"],
    }
    return [line for line, is_so in found.items() if is_so]


def suspicious(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """A line for each name that is none of ours and looks like one: it has no effect."""
    ours = sorted(known)
    lines = []
    for name in sorted(set(names) - set(ours)):
        like = [full for full in ours if "_" in name and full.startswith(f"{name}_")]
        like = like or difflib.get_close_matches(name, ours, n=1, cutoff=_LIKE)
        if like or name.startswith(_PREFIXES):
            lines.append(f"{name} is not a setting and has no effect" + (f"; did you mean {like[0]}?" if like else ""))
    return lines
