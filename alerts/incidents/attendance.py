"""Who has not been seen for how long, by one who watches. Pure: times are given."""

from collections.abc import Iterable

NOT_WATCHING_SECONDS = 30.0


class Attendance:
    """When this process last saw each role. Who stops in order takes its row along: only who watches can know.

    A process that has not looked for a while, since it was another's turn, begins anew.
    """

    def __init__(self) -> None:
        self._looked_at = float("-inf")
        self._seen_at: dict[str, float] = {}

    def unseen_seconds(self, living: Iterable[str], roles: Iterable[str], now: float) -> dict[str, float]:
        """For how long none of each role has been seen. `now`: time.monotonic()."""
        if now - self._looked_at > NOT_WATCHING_SECONDS:
            self._seen_at = {}
        self._looked_at = now
        present = set(living)
        for role in roles:
            if role in present or role not in self._seen_at:
                self._seen_at[role] = now
        return {role: now - self._seen_at[role] for role in roles}
