"""Intervals by the bootstrap: users are drawn with replacement, each with all of their carts.

Carts of one user are alike, so drawing single carts would make intervals too narrow.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Statistic = Callable[[Array], Array]
"""From weights of the carts (n,) to some numbers (k,); NaN where they cannot be told."""

LEVEL: Final = 0.95

_MOST_WEIGHINGS: Final = 1.5e7
_FEWEST_DRAWS: Final = 100
_LEAST_TOLD_SHARE: Final = 0.5


@dataclass(frozen=True)
class Estimate:
    """One number with its 95 % interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float
    bias: float
    """Mean of the draws less the value: what resampling adds to a measure that is not linear."""

    def without_interval(self) -> "Estimate":
        """The value alone: where all carts are of one class, every draw is, and shows no doubt."""
        unknown = float("nan")
        return Estimate(self.value, unknown, unknown, unknown)

    def unbiased(self) -> "Estimate":
        """The interval moved by the bias, not below 0.

        For a calibration error: resampling adds noise, so that the value would otherwise lie
        below its own interval.
        """
        low, high = max(0.0, self.low - self.bias), max(0.0, self.high - self.bias)
        return Estimate(self.value, low, high, 0.0)


@dataclass(frozen=True)
class Intervals:
    """Numbers with their 95 % intervals, each (k,)."""

    value: Array
    low: Array
    high: Array
    bias: Array

    def __iter__(self) -> Iterator[Estimate]:
        columns = (self.value, self.low, self.high, self.bias)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return (Estimate(*row) for row in rows)


def intervals(
    statistics: Sequence[Statistic], users: NDArray[Any], *, draws: int, seed: int
) -> list[Intervals]:
    """Every statistic on all carts (of ``users`` (n,)) and its interval over the same draws.

    Many carts get fewer draws, but never fewer than 100: their intervals are narrow anyway.
    """
    values = [statistic(np.ones(len(users))) for statistic in statistics]
    draws = min(draws, max(_FEWEST_DRAWS, int(_MOST_WEIGHINGS / max(len(users), 1))))
    drawn: list[list[Array]] = [[] for _ in statistics]
    for weight in weighings(users, draws, seed):
        for statistic, kept in zip(statistics, drawn, strict=True):
            kept.append(statistic(weight))
    return [_interval(value, np.array(kept)) for value, kept in zip(values, drawn, strict=True)]


def weighings(users: NDArray[Any], draws: int, seed: int) -> Iterator[Array]:
    """How often each cart (of ``users`` (n,)) is drawn, (n,) for every draw; none without carts."""
    names, user_of_cart = np.unique(users, return_inverse=True)
    random = np.random.default_rng(seed)
    for _ in range(draws if len(names) else 0):
        chosen = random.integers(0, len(names), len(names))
        yield np.bincount(chosen, minlength=len(names))[user_of_cart].astype(np.float64)


def _interval(value: Array, drawn: Array) -> Intervals:
    """Percentiles of ``drawn`` (draws, k), NaN where less than half of the draws could be told."""
    if not len(drawn):
        unknown = np.full_like(value, np.nan)
        return Intervals(value, unknown, unknown, unknown)
    told = np.mean(~np.isnan(drawn), axis=0) >= _LEAST_TOLD_SHARE
    usable = np.where(told, drawn, 0.0)
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.nanpercentile(usable, [tail, 100.0 - tail], axis=0)
    hidden = np.where(told, 0.0, np.nan)
    bias = np.nanmean(usable, axis=0) - value
    return Intervals(value, low + hidden, high + hidden, bias + hidden)
