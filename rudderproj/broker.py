"""How a worker or beat comes back to a broker that was away: soon. And what it notes there of messages: nothing.

Celery waits two seconds longer after each try, up to thirty, and has no setting for it: a broker that was away for a
minute would be found again a quarter of a minute after its return. And for each message it takes it writes into the
broker that it has it, for whoever comes after it an hour later; ours are doorbells, which the next sweep replaces.
"""

from typing import Any

import kombu
import kombu.transport.redis
from celery.app.amqp import AMQP
from kombu.transport import virtual

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


class Taken(kombu.transport.redis.QoS):
    """Which messages this process has, in its memory alone."""

    restore_at_shutdown = False
    append = virtual.QoS.append
    ack = virtual.QoS.ack

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is written down that others might take up."""


kombu.transport.redis.Channel.QoS = Taken
