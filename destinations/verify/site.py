"""What a run needs of the deployment, however it is reached: through the database, or through the API."""

from typing import Any, Protocol

Terms = dict[str, Any]  # of the conservation equation, and `difference`, as in `manage.py status --json`

IN_FORCE_SECONDS = 2.0  # a change of the configuration is in force in every process within this


def owed(terms: Terms) -> int:
    """How many events are accepted and not settled."""
    return sum(terms[name] for name in ("pending", "failed", "waiting"))


class Away(Exception):
    """The deployment does not answer now; the message says what it said. To be tried again."""


class Unusable(Exception):
    """The run cannot be made like that; the message is for the user."""


class Site(Protocol):
    """A deployment with a source, a webhook destination and a connection of one run, all of its name.

    Every method raises Away; all but set_up may be called again then.
    """

    @property
    def urls(self) -> list[str]:
        """Where the ingest API is, without a path; several are sent to in turn."""

    def set_up(self, name: str, sink_url: str) -> str:
        """Make the three; returns the source's write key. Raises Unusable."""

    def terms(self) -> Terms:
        """The connection's whereabouts of events, at one instant."""

    def trouble(self) -> list[str]:
        """Why nothing may be delivered, as far as the deployment says: a line each."""

    def clean_up(self) -> None:
        """Remove what set_up made; does nothing when it is gone."""
