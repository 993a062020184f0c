"""Whose events a connection sends. Pure."""

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, cycle


def sending(own: Sequence[int], skew: float, seed: int) -> Iterator[int]:
    """A connection's users for ever: in turn without skew, else by chance with Zipf's weights 1 / rank ** skew.

    The skew is within each connection: a user's events cannot go over two of them, or their order would be nobody's.
    """
    if not skew:
        yield from cycle(own)
    chance = random.Random(seed)
    weights = list(accumulate(1 / rank**skew for rank in range(1, len(own) + 1)))
    while True:
        yield from chance.choices(own, cum_weights=weights, k=1000)
