"""Which horizon to suggest where the one asked for leaves no cart to learn from."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwise.data.censoring import censored
from cartwise.data.log import Log
from cartwise.data.spans import Span
from cartwise.data.splits import SplitSettings, split
from cartwise.duration import parse_duration
from cartwise.errors import NotEnoughData
from cartwise.parts import PARTS

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


def or_shorter_horizon(
    asked_seconds: int,
    times: NDArray[np.int64],
    log: Log,
    spans: Sequence[Span],
    splits: SplitSettings,
) -> str:
    """What else to advise whoever may give a longer log than this one, with its carts at ``times``.

    Empty where no horizon shorter than the one asked for would make a training set of them.
    """

    def parted_with(horizon_seconds: int) -> int:
        if horizon_seconds >= asked_seconds:
            return 0
        # Known, and not in an embargo.
        fates = censored(times, log, spans, horizon_seconds)
        try:
            dealt = split(times[fates == 0], horizon_seconds, splits)
        except NotEnoughData:
            return 0
        return sum(map(dealt.count, PARTS))

    suggestion = suggest(parted_with, len(times))
    return f", or pass a shorter horizon ({suggestion})" if suggestion else ""
