"""Channels: where notifications go."""

from django.db import models
from django.db.models.functions import Now

from rudderproj.secrets_field import EncryptedJSONField


class Channel(models.Model):
    """One address at one provider, and what it wants to hear of. Empty lists mean everything."""

    class Provider(models.TextChoices):
        PAGERDUTY = "pagerduty", "PagerDuty"
        VICTOROPS = "victorops", "Splunk On-Call (VictorOps)"
        APPRISE = "apprise", "Apprise (Slack, e-mail, Teams, webhook, …)"

    name = models.CharField(max_length=100, unique=True)
    provider = models.CharField(max_length=20, choices=Provider.choices)
    config = EncryptedJSONField(default=dict)  # its keys or addresses
    enabled = models.BooleanField(default=True)
    severities = models.JSONField(default=list, blank=True)
    kinds = models.JSONField(default=list, blank=True)
    from_environment = models.BooleanField(default=False, editable=False)  # kept as ALERT_PROVIDER and so on say
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(name="channel_name_not_empty", condition=~models.Q(name=""))]

    def wants(self, kind: str, severity: str) -> bool:
        """Whether it is told of such incidents; alerts.incidents.book asks the same in SQL."""
        return (not self.kinds or kind in self.kinds) and (not self.severities or severity in self.severities)

    def try_again(self) -> int:
        """Have what it did not accept tried again at once, since it was mended; how many notifications."""
        return self.notification_set.filter(next_attempt_at__isnull=False).update(next_attempt_at=Now())

    def __str__(self) -> str:
        return self.name
