"""Every environment variable the product reads: name, type, default, meaning.

Owns the list: rudderproj.env_values reads single values, rudderproj.env_rules judges them together. A wrong value ends
the process at start with one line that names the variable.
Must never import Django, so that tools can list the settings without a configured project.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rudderproj import env_values as v
from rudderproj.env_rules import RULES


class EnvError(Exception):
    """A variable has a value that cannot be used; the message names it."""


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
        v.database,
        "PostgreSQL 14 to 18, libpq's options as its query (`?sslmode=verify-full`); several hosts, as "
        "`…@db1:5432,db2:5432/name`: the one that can be written is used; empty: `make run` starts its own",
        True,
    ),
    Variable(
        "DATABASE_LOCK_SECONDS",
        "10",
        v.seconds,
        "longest wait for a lock in the database; a migration of a deployment that serves should wait less: everybody "
        "else waits behind it",
    ),
    Variable(
        "DATABASE_STATEMENT_SECONDS",
        "30",
        v.time_limit,
        "longest time a statement may take in the database; 0: no limit, for migrations, whose indexes take their time",
    ),
    Variable(
        "CELERY_BROKER_URL",
        "redis://127.0.0.1:6379/0",
        v.broker,
        "Valkey or Redis, also `rediss://` and `sentinel://host:port;sentinel://…`",
        True,
    ),
    Variable("CELERY_BROKER_MASTER", "mymaster", v.text, "name of the master when the broker URL is `sentinel://`"),
    Variable("SECRET_KEY", "", v.text, "Django's secret key; required outside `make run`", True),
    Variable(
        "SECRETS_KEYS",
        "",
        v.keys,
        "keys that secrets in the database are encrypted with, comma-separated: the first encrypts, all decrypt; "
        "required outside `make run`, 32 bytes of base64 each (`openssl rand -base64 32`)",
        True,
    ),
    Variable("DEBUG", "0", v.switch, "Django's debug pages; never in production"),
    Variable("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]", v.hosts, "host names the web process answers to"),
    Variable("CSRF_TRUSTED_ORIGINS", "", v.origins, "origins (with scheme) from which the admin may be posted to"),
    Variable("TRUSTED_PROXIES", "", v.networks, "networks whose `X-Forwarded-…` headers are believed"),
    Variable(
        "HTTPS_ONLY",
        "0",
        v.switch,
        "pages for people by https alone, with secure cookies and HSTS; never asked of SDKs; needs TRUSTED_PROXIES",
    ),
    Variable(
        "PUBLIC_ONLY",
        "0",
        v.switch,
        "serve nothing but what SDKs and probes ask for: no admin, API, metrics or inbox; for a web process of its own",
    ),
    Variable("WEB_HOST", "127.0.0.1", v.text, "address the web process listens on"),
    Variable("WEB_PORT", "8080", v.port, "port the web process listens on"),
    Variable("WEB_THREADS", "8", v.positive, "requests Django works on at once; waiting for a commit takes no thread"),
    Variable(
        "WEB_MAX_REQUESTS", "1000", v.positive, "requests in work at once, commits included; more are answered 503"
    ),
    Variable("WEB_BODY_MEMORY_BYTES", str(256 * 1024 * 1024), v.positive, "memory for requests; more are answered 503"),
    Variable(
        "RETRY_AFTER_SECONDS",
        "15",
        v.come_back,
        "`Retry-After` of every 503: rudder-node without Redis outlives an outage three times as long",
    ),
    Variable("FLOWER_PORT", "5555", v.port, "port of Flower"),
    Variable("FLOWER_USER", "admin", v.text, "login of Flower; outside `make run`: FLOWER_BASIC_AUTH=user:password"),
    Variable("FLOWER_PASSWORD", "", v.text, "password of Flower, of `make run`", True),
    Variable("DATA_DIR", ".data", v.text, "where `make run` keeps databases, logs and generated secrets"),
    Variable(
        "NODE_ID",
        "",
        v.text,
        "who this process is, across its restarts and unique among the living; empty: host, role and a number",
    ),
    Variable("LOG_LEVEL", "INFO", v.choice("DEBUG", "INFO", "WARNING", "ERROR"), "least severe log line written"),
    Variable("INBOX_ENABLED", "0", v.switch, "serve `/inbox/`, which shows delivered events to anyone: local use only"),
    Variable(
        "INBOX_URL", "", v.url("http", "https"), "where workers reach the web process; empty: WEB_HOST and WEB_PORT"
    ),
    Variable("EGRESS_ALLOW", "", v.networks, "private networks (CIDR) that destinations and channels may be in"),
    Variable("INGEST_MAX_BODY_BYTES", str(10 * 1024 * 1024), v.positive, "largest request body, after inflating"),
    Variable("INGEST_MAX_DEPTH", "64", v.depth, "deepest nesting of an event"),
    Variable("INGEST_BODY_TIMEOUT_SECONDS", "30", v.seconds, "longest time a client may take to send a body"),
    Variable("INGEST_COMMIT_TIMEOUT_SECONDS", "5", v.seconds, "longest wait for a commit before the answer is 503"),
    Variable(
        "SDK_CONFIG_SECONDS",
        "86400",
        v.seconds,
        "how long a browser keeps its SDK's configuration: as long, a page loaded during an outage still begins to "
        "track, and a source that was retired meanwhile is not noticed",
    ),
    Variable(
        "FORWARD_AUTOSCALE", "8,1", v.autoscale, "largest and smallest number of forwarding processes of a worker"
    ),
    Variable(
        "FORWARD_BUDGET_SECONDS",
        "5",
        v.seconds,
        "how long one link works before it rings the next; longer for a trickle while nobody waits",
    ),
    Variable(
        "FORWARD_CLAIM_SECONDS",
        "10",
        v.seconds,
        "life of a claim that is not renewed; at least 1.6 timeouts",
    ),
    Variable("FORWARD_SHARE", "2", v.positive, "links that may share one destination's lanes at the same time"),
    Variable(
        "FORWARD_CONCURRENCY",
        "64",
        v.positive,
        "requests one link has in flight at most to begin with, unless the destination sets it",
    ),
    Variable(
        "FORWARD_CONCURRENCY_MOST",
        "256",
        v.positive,
        "and how many it may come to, while answers are as fast as with fewer",
    ),
    Variable("FORWARD_TIMEOUT_SECONDS", "10", v.seconds, "longest wait for a destination's answer"),
    Variable(
        "RETRY_WINDOW_SECONDS", "10800", v.seconds, "an event is given up only after this long and RETRY_ATTEMPTS"
    ),
    Variable("RETRY_ATTEMPTS", "3", v.positive, "an event is given up only after this many attempts and the window"),
    Variable("RETRY_BASE_SECONDS", "1", v.seconds, "first retry delay at most; doubles with each attempt, full jitter"),
    Variable("RETRY_MAX_SECONDS", "300", v.seconds, "largest retry delay"),
    Variable(
        "RSERVER_MODE",
        "",
        v.choice("", "normal", "degraded"),
        "forces this mode, whatever the stored one says, which stays as it is; empty: the stored one",
    ),
    Variable(
        "RUN_ID",
        "",
        v.text,
        "the supervisor's run or the pod's uid: a process that comes back under another has not crashed; `make run` "
        "makes its own",
    ),
    Variable("RECOVERY_ENABLED", "1", v.switch, "enter degraded mode when a forwarding worker keeps crashing"),
    Variable("RECOVERY_CRASH_THRESHOLD", "5", v.positive, "restarts after a crash, of one process, that are too many"),
    Variable("RECOVERY_CRASH_WINDOW_SECONDS", "300", v.seconds, "in this time"),
    Variable(
        "RECOVERY_CRASH_LONG_WINDOW_SECONDS",
        "1800",
        v.seconds,
        "or one more in this time: an orchestrator's back-off spreads them",
    ),
    Variable(
        "RECOVERY_AUTO_RESUME_SECONDS",
        "",
        v.seconds_or_none,
        "back to normal by itself after so long without a crash, and on probation for as long; empty: by hand alone",
    ),
    Variable("INSTANCE_ID", "rudderproj", v.text, "names this deployment in alerts"),
    Variable(
        "ADMIN_URL",
        "",
        v.url("http", "https"),
        "where people reach the admin, for links in alerts, as `https://events.example.com`; empty: WEB_HOST and "
        "WEB_PORT",
    ),
    Variable(
        "ALERT_PROVIDER",
        "",
        v.words_of("pagerduty", "victorops"),
        "whom to alert, comma-separated: `pagerduty`, `victorops`; empty: those whose routing key is set. More "
        "channels, of other kinds too, are set up in the admin",
    ),
    Variable("PG_ROUTING_KEY", "", v.text, "PagerDuty: integration key of a service (Events API v2)", True),
    Variable(
        "PAGERDUTY_EVENTS_URL",
        "https://events.pagerduty.com/v2/enqueue",
        v.url("http", "https"),
        "PagerDuty's address; `https://events.eu.pagerduty.com/v2/enqueue` for accounts in its EU region",
    ),
    Variable("VICTOROPS_ROUTING_KEY", "", v.text, "Splunk On-Call (VictorOps): routing key", True),
    Variable("VICTOROPS_API_KEY", "", v.text, "Splunk On-Call: API key of the integration *REST - Generic*", True),
    Variable(
        "VICTOROPS_URL",
        "https://alert.victorops.com/integrations/generic/20131114/alert",
        v.url("http", "https"),
        "Splunk On-Call's address, to which the API key and the routing key are added",
    ),
    Variable("ALERT_ROLES", "web,forward,beat", v.words_of("web", "forward", "beat"), "processes that must be there"),
    Variable("ALERT_MISSING_SECONDS", "60", v.seconds, "how long none of a role may be there before it is an incident"),
    Variable("ALERT_BREAKER_SECONDS", "300", v.seconds, "how long a destination may fail before it is an incident"),
    Variable("ALERT_BEHIND_SECONDS", "900", v.seconds, "how long an event may wait before it is an incident"),
    Variable("ALERT_DEAD_LETTERS", "100", v.positive, "more dead letters of one destination are an incident"),
    Variable("ALERT_DEAD_LETTERS_SECONDS", "600", v.seconds, "in this time"),
    Variable(
        "ALERT_STALLED_SECONDS", "120", v.seconds, "how long all forwarding may be held up, and by one transaction"
    ),
    Variable("ALERT_DATABASE_SECONDS", "60", v.seconds, "how long the database may be away before it is an incident"),
    Variable("ALERT_CLEAR_SECONDS", "60", v.seconds, "how long a trouble must be over before its incident is resolved"),
    Variable("RETENTION_DAYS", "30", v.days, "how long events are kept; whole days are dropped"),
    Variable(
        "RETENTION_POLICY",
        "keep",
        v.choice("keep", "drop"),
        "a day that is too old but holds events still owed: `keep` it, or give them up and `drop` it",
    ),
    Variable("RETENTION_WARNING_DAYS", "3", v.days, "days before its end that a day still owed is warned about"),
    Variable("RETENTION_REJECTED_DAYS", "30", v.days, "how long rejected events are kept"),
    Variable("RETENTION_ATTEMPT_DAYS", "30", v.days, "how long attempts are kept"),
    Variable(
        "RETENTION_DELIVERY_DAYS", "30", v.days, "how long rows of events are kept that were delivered or skipped"
    ),
    Variable("RETENTION_DEAD_LETTER_DAYS", "90", v.days, "how long dead letters are kept"),
    Variable("RETENTION_CRASH_DAYS", "90", v.days, "how long crash reports are kept, at most CRASH_REPORTS_KEPT"),
    Variable(
        "CRASH_REPORTS_KEPT", "200", v.positive, "crash reports kept, besides those that count or changed the mode"
    ),
    Variable("RETENTION_HISTORY_DAYS", "365", v.days, "how long it is kept who changed the mode, and the like"),
    Variable(
        "METRICS_TOKEN",
        "",
        v.text,
        "what `/metrics` on the web port wants as `Authorization: Bearer …`; empty: it is not served there",
        True,
    ),
    Variable("METRICS_OPEN", "0", v.switch, "serve `/metrics` on the web port to anyone: local use only"),
    Variable(
        "METRICS_PORT",
        "",
        v.port_or_none,
        "port on which the web process serves `/metrics` too; a forwarding worker takes the next, an alerts worker the "
        "one after; with METRICS_TOKEN they want it as well",
    ),
    Variable("METRICS_HOST", "127.0.0.1", v.text, "address these ports are opened on"),
    Variable("SAMPLE_HOURS", "48", v.positive, "how long samples of all figures are kept, for charts over time"),
    Variable(
        "SENTRY_DSN",
        "",
        v.url("http", "https"),
        "where Sentry takes errors and crash reports, without payloads, users or values; empty: nowhere",
        True,
    ),
    Variable("ENVIRONMENT_NAME", "", v.text, "shown on every page of the admin, for example `production`"),
    Variable("API_RATE_LIMIT", "50", v.positive, "requests a second of one API token, in one web process"),
    Variable("ADMIN_USER", "admin", v.text, "login created by `manage.py bootstrap`"),
    Variable("ADMIN_PASSWORD", "", v.text, "its password; empty: no login is created", True),
)


def read(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Parse every variable. Raises EnvError naming the first one that cannot be used, alone or beside the others."""
    values = {}
    for variable in VARIABLES:
        try:
            values[variable.name] = variable.parse(environ.get(variable.name, variable.default))
        except ValueError as error:
            shown = "" if variable.secret else f" ({environ.get(variable.name)!r})"
            raise EnvError(f"{variable.name}{shown}: {error}") from None
    for rule in RULES:
        if problem := rule(values):
            raise EnvError(problem)
    return values
