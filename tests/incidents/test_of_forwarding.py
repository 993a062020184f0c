"""Who holds up all forwarding becomes an incident, once it has lasted, and ends as one."""

from contextlib import closing
from typing import Any

from alerts.incidents import checks
from alerts.models import Incident
from destinations.incidents import of_forwarding
from rudderproj import db


def test_a_transaction_that_stays_open_for_too_long_is_an_incident_that_names_it(
    committed: None, settings: Any
) -> None:
    with closing(db.connect("slow import", 30)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_current_xact_id(), pg_sleep(0.1)")
        assert of_forwarding.stalled() == {}

        settings.ENV = settings.ENV | {"ALERT_STALLED_SECONDS": 0.05}
        (finding,) = of_forwarding.stalled().values()
        assert finding is not None
        assert "slow import" in finding.summary
        checks.run(due_only=False)
        cursor.execute("ROLLBACK")

    assert list(Incident.objects.values_list("kind", flat=True)) == [of_forwarding.STALLED]
    assert of_forwarding.stalled() == {}
