"""How the scripted sink answers: a list of replies per event, the last of which is repeated for ever. Pure data."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias


class Manner(StrEnum):
    """What the sink does instead of, or besides, answering."""

    ANSWER = "answer"
    HANG = "hang"  # keep the connection open and never answer
    RESET = "reset"  # end the connection with an RST


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the sink."""

    status: int = 200
    manner: Manner = Manner.ANSWER
    retry_after: str | None = None
    delay_seconds: float = 0.0  # before answering or resetting
    body: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the event is done with after this: delivered, or refused for good."""
        return self.manner is Manner.ANSWER and self.status < 500 and self.status not in {408, 425, 429}

    @property
    def takes(self) -> bool:
        """Whether it says that all is well."""
        return self.manner is Manner.ANSWER and 200 <= self.status < 300


OK = Reply()
HANG = Reply(manner=Manner.HANG)
RESET = Reply(manner=Manner.RESET)

Step: TypeAlias = "Reply | int | str | dict[str, Any]"


def reply(step: Step) -> Reply:
    """A reply from short hand: a status, "hang", "reset", or the fields of a Reply. Raises ValueError or TypeError."""
    if isinstance(step, Reply):
        return step
    if isinstance(step, int):
        return Reply(step)
    if isinstance(step, str):
        return Reply(manner=Manner(step))
    return Reply(**{**step, "manner": Manner(step.get("manner", Manner.ANSWER))})


def replies(steps: Sequence[Step]) -> tuple[Reply, ...]:
    """A whole script; an empty one answers 200."""
    return tuple(reply(step) for step in steps) or (OK,)
