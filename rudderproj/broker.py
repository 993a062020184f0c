"""How a worker or beat comes back to a broker that was away: soon.

Celery waits two seconds longer after each try, up to thirty, and has no setting for it: a broker that was away for a
minute would be found again a quarter of a minute after its return.
"""

from typing import Any

import kombu
from celery.app.amqp import AMQP

FIRST_SECONDS = 0.2
STEP_SECONDS = 0.2
MOST_SECONDS = 1.0


class Connection(kombu.Connection):
    """A connection that is tried for once a second."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        """As kombu's, at our pace."""
        pace = {"interval_start": FIRST_SECONDS, "interval_step": STEP_SECONDS, "interval_max": MOST_SECONDS}
        return super().ensure_connection(*args, **(pace | options))


class Amqp(AMQP):
    """Celery's, with our connections."""

    Connection = Connection
    BrokerConnection = Connection
