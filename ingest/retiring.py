"""Retiring a source: telling its apps to stop for good. A separate act, since it cannot be taken back on devices.

From then on its events are refused with 404, as of a source that is switched off, and its configuration says
`enabled: false`: mobile SDKs of the first generation delete what they have stored, others stop. What was accepted is
still delivered.
"""

import structlog
from django.db.models.functions import Now

from ingest.models import Source

log = structlog.get_logger(__name__)


def retire(source_id: int, actor: str) -> bool:
    """Retire a source; False if it was already."""
    changed = Source.objects.filter(pk=source_id, retired_at=None).update(retired_at=Now())
    if changed:
        log.info("source.retired", source_id=source_id, actor=actor)
    return bool(changed)


def restore(source_id: int, actor: str) -> bool:
    """Take a source back; False if it was not retired. Devices that were told to delete have deleted."""
    changed = Source.objects.filter(pk=source_id, retired_at__isnull=False).update(retired_at=None)
    if changed:
        log.info("source.restored", source_id=source_id, actor=actor)
    return bool(changed)
