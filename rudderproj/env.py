"""Every environment variable the product reads: name, type, default, meaning.

Owns parsing and validation: a wrong value ends the process at start with one line that names the variable.
Must never import Django, so that tools can list the settings without a configured project.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class EnvError(Exception):
    """A variable has a value that cannot be used; the message names it."""


def _text(value: str) -> str:
    return value


def _switch(value: str) -> bool:
    lowered = value.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("expected 1 or 0")


def _positive(value: str) -> int:
    number = int(value)
    if number <= 0:
        raise ValueError("expected a whole number above 0")
    return number


def _depth(value: str) -> int:
    number = _positive(value)
    if number > 200:  # nothing deeper than 254 levels can be written out again
        raise ValueError("expected at most 200")
    return number


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 < number < 1e9:
        raise ValueError("expected seconds above 0")
    return number


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _networks(value: str) -> list[str]:
    return [str(ipaddress.ip_network(word, strict=False)) for word in _words(value)]


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value and urlsplit(value).scheme not in schemes:
            raise ValueError(f"expected a URL starting with {' or '.join(s + '://' for s in schemes)}")
        return value

    return parse


def _broker(value: str) -> str:
    """A broker URL; with TLS the server is verified unless the URL says otherwise (kombu's default is not to)."""
    value = _url("redis", "rediss", "sentinel", "redis+socket")(value)
    if value.startswith("rediss://") and "ssl_cert_reqs=" not in value:
        value += ("&" if "?" in value else "?") + "ssl_cert_reqs=required"
    return value


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return value

    return parse


@dataclass(frozen=True)
class Variable:
    """One environment variable: how to read it and what to tell people about it."""

    name: str
    default: str
    parse: Callable[[str], Any]
    meaning: str
    secret: bool = False


VARIABLES = (
    Variable(
        "DATABASE_URL",
        "",
        _url("postgres", "postgresql"),
        "PostgreSQL 14 to 18; empty: `make run` starts its own",
        True,
    ),
    Variable(
        "CELERY_BROKER_URL",
        "redis://127.0.0.1:6379/0",
        _broker,
        "Valkey or Redis, also `rediss://` and `sentinel://host:port;sentinel://…`",
        True,
    ),
    Variable("CELERY_BROKER_MASTER", "mymaster", _text, "name of the master when the broker URL is `sentinel://`"),
    Variable("SECRET_KEY", "", _text, "Django's secret key; required outside `make run`", True),
    Variable("DEBUG", "0", _switch, "Django's debug pages; never in production"),
    Variable("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]", _words, "host names the web process answers to"),
    Variable("CSRF_TRUSTED_ORIGINS", "", _words, "origins (with scheme) from which the admin may be posted to"),
    Variable("TRUSTED_PROXIES", "", _networks, "networks whose `X-Forwarded-For` is believed"),
    Variable("WEB_HOST", "127.0.0.1", _text, "address the web process listens on"),
    Variable("WEB_PORT", "8080", _positive, "port the web process listens on"),
    Variable("WEB_THREADS", "8", _positive, "requests Django works on at once; waiting for a commit takes no thread"),
    Variable(
        "WEB_MAX_REQUESTS", "1000", _positive, "requests in work at once, commits included; more are answered 503"
    ),
    Variable("WEB_BODY_MEMORY_BYTES", str(256 * 1024 * 1024), _positive, "memory for requests; more are answered 503"),
    Variable("FLOWER_PORT", "5555", _positive, "port of Flower"),
    Variable("FLOWER_USER", "admin", _text, "login of Flower"),
    Variable("FLOWER_PASSWORD", "", _text, "password of Flower", True),
    Variable("DATA_DIR", ".data", _text, "where `make run` keeps databases, logs and generated secrets"),
    Variable("NODE_ID", "", _text, "identity of this process; empty: host name and process id"),
    Variable("LOG_LEVEL", "INFO", _choice("DEBUG", "INFO", "WARNING", "ERROR"), "least severe log line written"),
    Variable("INBOX_ENABLED", "0", _switch, "serve `/inbox/`, which shows delivered events to anyone: local use only"),
    Variable(
        "INBOX_URL", "", _url("http", "https"), "where workers reach the web process; empty: WEB_HOST and WEB_PORT"
    ),
    Variable("EGRESS_ALLOW", "", _networks, "private networks (CIDR) that destinations may be reached in"),
    Variable("INGEST_MAX_BODY_BYTES", str(10 * 1024 * 1024), _positive, "largest request body, after inflating"),
    Variable("INGEST_MAX_DEPTH", "64", _depth, "deepest nesting of an event"),
    Variable("INGEST_BODY_TIMEOUT_SECONDS", "30", _seconds, "longest time a client may take to send a body"),
    Variable("INGEST_COMMIT_TIMEOUT_SECONDS", "5", _seconds, "longest wait for a commit before the answer is 503"),
    Variable("FORWARD_AUTOSCALE", "8,1", _text, "largest and smallest number of forwarding processes of a worker"),
    Variable("FORWARD_BUDGET_SECONDS", "5", _seconds, "how long one link works before it rings the next"),
    Variable(
        "FORWARD_CLAIM_SECONDS",
        "10",
        _seconds,
        "life of a claim that is not renewed; at least 1.6 timeouts",
    ),
    Variable("FORWARD_SHARE", "2", _positive, "links that may share one destination's lanes at the same time"),
    Variable(
        "FORWARD_CONCURRENCY",
        "64",
        _positive,
        "users one link sends for at the same time, unless the destination sets it",
    ),
    Variable("FORWARD_TIMEOUT_SECONDS", "10", _seconds, "longest wait for a destination's answer"),
    Variable("RETRY_WINDOW_SECONDS", "10800", _seconds, "an event is given up only after this long and RETRY_ATTEMPTS"),
    Variable("RETRY_ATTEMPTS", "3", _positive, "an event is given up only after this many attempts and the window"),
    Variable("RETRY_BASE_SECONDS", "1", _seconds, "first retry delay at most; doubles with each attempt, full jitter"),
    Variable("RETRY_MAX_SECONDS", "300", _seconds, "largest retry delay"),
    Variable("ADMIN_USER", "admin", _text, "login created by `manage.py bootstrap`"),
    Variable("ADMIN_PASSWORD", "", _text, "its password; empty: no login is created", True),
)


def read(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Parse every variable. Raises EnvError naming the first one that cannot be used."""
    values = {}
    for variable in VARIABLES:
        try:
            values[variable.name] = variable.parse(environ.get(variable.name, variable.default))
        except ValueError as error:
            shown = "" if variable.secret else f" ({environ.get(variable.name)!r})"
            raise EnvError(f"{variable.name}{shown}: {error}") from None
    return values
