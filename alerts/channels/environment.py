"""Channels that the environment sets up, as the original's users know it: ALERT_PROVIDER and the routing keys.

Each is mirrored into a row, so that it is listed, routed and counted like the others; a row whose variables are gone is
switched off. Must never touch a channel that somebody made in the admin.
"""

from typing import Any

import structlog
from django.conf import settings

from alerts.channels.sending import Address
from rudderproj.env_rules import ROUTING_KEYS

log = structlog.get_logger(__name__)

_TITLES = {"pagerduty": "PagerDuty", "victorops": "Splunk On-Call"}


def chosen() -> dict[str, dict[str, Any]]:
    """The configuration of each provider that the environment names; without ALERT_PROVIDER those that have a key."""
    env = settings.ENV
    providers = env["ALERT_PROVIDER"] or [name for name, key in ROUTING_KEYS.items() if env[key]]
    configs = {name: {"routing_key": env[ROUTING_KEYS[name]]} for name in providers}
    if "victorops" in configs and env["VICTOROPS_API_KEY"]:
        configs["victorops"]["api_key"] = env["VICTOROPS_API_KEY"]
    return configs


def addresses() -> list[Address]:
    """Where to, without a database: ids are unknown."""
    return [Address(0, name_of(provider), provider, config) for provider, config in chosen().items()]


def name_of(provider: str) -> str:
    """What its channel is called."""
    return f"{_TITLES[provider]} (environment)"


def mirror() -> None:
    """Make the rows what the environment says. Raises django.db.DatabaseError."""
    from alerts.models import Channel

    configs = chosen()
    gone = Channel.objects.filter(from_environment=True, enabled=True).exclude(provider__in=configs)
    for name in gone.values_list("name", flat=True):
        log.info("channel.gone", channel=name)
    gone.update(enabled=False)
    for provider, config in configs.items():
        wanted = {"provider": provider, "config": config, "enabled": True}
        row, is_new = Channel.objects.get_or_create(
            name=name_of(provider), defaults=wanted | {"from_environment": True}
        )
        if not row.from_environment:
            log.warning("channel.name_taken", channel=row.name)
        elif not is_new and (row.config != config or not row.enabled):
            Channel.objects.filter(pk=row.pk, from_environment=True).update(**wanted)
            row.try_again()
