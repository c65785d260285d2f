"""Measures of scores against labels, each for any weighting of the carts.

Weights are what the bootstrap varies: a cart drawn twice weighs two. Scores are sorted once, so
one weighting costs a few passes over the carts. Carts of equal score share one rank: no measure
depends on their order.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NOT_A_NUMBER = float("nan")


@dataclass(frozen=True)
class Gains:
    """Cumulative weight of carts and of bought ones, from the highest score down, 0 first."""

    carts: Array
    bought: Array

    @property
    def auc(self) -> float:
        """Area under the ROC curve; NaN where all carts are of one class."""
        not_bought = self.carts - self.bought
        pairs = self.bought[-1] * not_bought[-1]
        if pairs <= 0:
            return NOT_A_NUMBER
        heights = (self.bought[1:] + self.bought[:-1]) / 2.0
        return float(np.diff(not_bought) @ heights / pairs)

    @property
    def average_precision(self) -> float:
        """Precision averaged over the bought carts; NaN where there is none."""
        if self.bought[-1] <= 0:
            return NOT_A_NUMBER
        precision = self.bought[1:] / np.maximum(self.carts[1:], 1e-300)
        return float(np.diff(self.bought) @ precision / self.bought[-1])

    def capture(self, share: float) -> float:
        """The part of all bought carts among the ``share`` of carts with the highest scores."""
        if self.bought[-1] <= 0:
            return NOT_A_NUMBER
        found = np.interp(share * self.carts[-1], self.carts, self.bought)
        return float(found / self.bought[-1])


class Ranking:
    """Scores of carts (n,), sorted once, with their labels (n,)."""

    def __init__(self, score: Array, bought: Array) -> None:
        self._order = np.argsort(-score, kind="stable")
        ordered = score[self._order]
        self._bought = bought[self._order]
        self._last_of_rank = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)

    def gains(self, weight: Array) -> Gains:
        """The cumulative gains when the carts weigh ``weight`` (n,)."""
        ordered = weight[self._order]
        carts = np.cumsum(ordered)[self._last_of_rank]
        bought = np.cumsum(ordered * self._bought)[self._last_of_rank]
        return Gains(np.append(0.0, carts), np.append(0.0, bought))


@dataclass(frozen=True)
class Bins:
    """Bins of equal numbers of carts by predicted probability; carts of one score stay together."""

    bin_of: NDArray[np.intp]
    probability: Array
    bought: Array
    count: int

    @classmethod
    def equal_mass(cls, probability: Array, bought: Array, bins: int) -> Self:
        edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
        bin_of = np.searchsorted(edges, probability, side="right")
        return cls(np.asarray(bin_of, np.intp), probability, bought, len(edges) + 1)

    def means(self, weight: Array) -> tuple[Array, Array, Array]:
        """Weight, mean probability and share bought of every bin, each (count,); NaN if empty."""
        carts = self._sum(weight)
        filled = np.where(carts > 0, carts, NOT_A_NUMBER)
        predicted = self._sum(weight * self.probability) / filled
        observed = self._sum(weight * self.bought) / filled
        return carts, predicted, observed

    def _sum(self, values: Array) -> Array:
        return np.asarray(np.bincount(self.bin_of, values, self.count), np.float64)

    def calibration_error(self, weight: Array) -> float:
        """Expected calibration error: the mean distance of predicted and observed share."""
        carts, predicted, observed = self.means(weight)
        return float(np.nansum(carts * np.abs(predicted - observed)) / carts.sum())

    def error_by_chance(self) -> float:
        """The calibration error to expect of perfect probabilities, from the number of carts."""
        carts, predicted, _ = self.means(np.ones_like(self.probability))
        deviation = np.sqrt(predicted * (1.0 - predicted) / np.maximum(carts, 1.0))
        return float(np.sqrt(2.0 / np.pi) * np.nansum(carts * deviation) / carts.sum())


def log_losses(probability: Array, bought: Array) -> Array:
    """Logarithmic loss of every cart, in nats: (n,)."""
    right = np.where(bought > 0, probability, 1.0 - probability)
    return -np.log(np.maximum(right, 1e-15))


def squared_errors(probability: Array, bought: Array) -> Array:
    """Brier score of every cart: (n,)."""
    return (probability - bought) ** 2
