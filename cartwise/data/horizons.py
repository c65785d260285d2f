"""Which horizon to suggest where the one asked for leaves no cart to learn from."""

from collections.abc import Callable
from typing import Final, NamedTuple

from cartwise.duration import parse_duration

HORIZONS: Final = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "24h", "3d", "7d")
"""Horizons to suggest, shortest first."""


class Suggestion(NamedTuple):
    """A horizon, and how many of all carts it would leave in a part of the training set."""

    horizon: str
    parted: int
    carts: int

    def __str__(self) -> str:
        return f"with --horizon {self.horizon}, {self.parted:,} of {self.carts:,} can be used"


def suggest(parted_with: Callable[[int], int], carts: int) -> Suggestion | None:
    """The longest horizon that leaves half of the carts in a part, else the one that leaves most.

    ``parted_with`` tells how many a horizon, in seconds, would leave. None where each leaves none.
    """
    found = [Suggestion(text, parted_with(parse_duration(text)), carts) for text in HORIZONS[::-1]]
    enough = (one for one in found if 2 * one.parted >= carts)
    best = next(enough, max(found, key=lambda one: one.parted))
    return best if best.parted else None
