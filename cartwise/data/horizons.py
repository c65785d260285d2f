"""Which horizon to suggest where the one asked for leaves no cart with a known outcome."""

from collections.abc import Callable
from typing import Final, NamedTuple

from cartwise.duration import parse_duration

HORIZONS: Final = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "24h", "3d", "7d")
"""Horizons to suggest, shortest first."""


class Suggestion(NamedTuple):
    """A horizon, and how many of all carts it would leave with a known outcome."""

    horizon: str
    known: int
    carts: int

    def __str__(self) -> str:
        return f"with --horizon {self.horizon}, {self.known:,} of {self.carts:,} would be known"


def suggest(known_with: Callable[[int], int], carts: int) -> Suggestion | None:
    """The longest horizon that leaves half of the carts known, else the one that leaves most.

    ``known_with`` tells how many a horizon, in seconds, would leave. None where each leaves none.
    """
    found = [Suggestion(text, known_with(parse_duration(text)), carts) for text in HORIZONS[::-1]]
    enough = (one for one in found if 2 * one.known >= carts)
    best = next(enough, max(found, key=lambda one: one.known))
    return best if best.known else None
