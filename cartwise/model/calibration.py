"""Calibration: from the booster's margin (log-odds) to a probability that can be taken at its word.

Whatever the method, what is kept is a table: the probability at evenly spaced margins, read by
linear interpolation. No exponential is taken, whose last bits differ between machines; a score is
the same in a batch and alone, and any language can read the table.

Methods: Platt's (a line in log-odds; Platt 1999), beta (Kull, Silva Filho and Flach 2017) and
isotonic (pooled adjacent violators). Cross-validated inside the calibration part, the plainest is
taken whose log loss is within one standard error of the lowest (Breiman, Friedman, Olshen and Stone
1984): what bends more has to earn it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import BundleError
from cartwise.model.logistic import fit_logistic, probability_of
from cartwise.model.measures import log_losses

Array = NDArray[np.float64]

LOWEST_MARGIN: Final = -12.0
HIGHEST_MARGIN: Final = 12.0
KNOTS_PER_UNIT: Final = 32
KNOTS: Final = int(HIGHEST_MARGIN - LOWEST_MARGIN) * KNOTS_PER_UNIT + 1
MARGINS: Final[Array] = LOWEST_MARGIN + np.arange(KNOTS) / KNOTS_PER_UNIT

FOLDS: Final = 5
ENOUGH_FOR_CURVES: Final = 2000
"""Below this many carts only Platt's line is fitted: the others would follow the noise."""

_LEAST_SLOPE: Final = 0.01


@dataclass(frozen=True)
class Calibrator:
    """A non-decreasing table from margin to probability; ``probability`` is (KNOTS,)."""

    method: str
    probability: Array

    def __call__(self, margin: NDArray[np.float32]) -> Array:
        """Probabilities (n,) of margins (n,); margins beyond the table count as its ends."""
        return np.interp(margin, MARGINS, self.probability)

    def to_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "lowest_margin": LOWEST_MARGIN,
            "knots_per_unit": KNOTS_PER_UNIT,
            "probability": self.probability.tolist(),
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote; raises BundleError where the table is not one."""
        table = np.asarray(facts["probability"], dtype=np.float64)
        grid = (facts["lowest_margin"], facts["knots_per_unit"], *table.shape)
        if grid != (LOWEST_MARGIN, KNOTS_PER_UNIT, KNOTS):
            raise BundleError(f"calibration.json holds a grid that cannot be read: {grid}")
        if not (np.all(np.diff(table) >= 0) and table[0] >= 0 and table[-1] <= 1):
            raise BundleError("calibration.json does not hold rising probabilities")
        return cls(str(facts["method"]), table)


def fit_platt(margin: Array, bought: Array) -> Array:
    """A line in log-odds, with Platt's softened targets: few carts never claim certainty."""
    positives = bought.sum()
    high = (positives + 1.0) / (positives + 2.0)
    low = 1.0 / (len(bought) - positives + 2.0)
    intercept, slope = fit_logistic(margin[:, None], np.where(bought > 0, high, low), ridge=1e-6)
    if slope < _LEAST_SLOPE:
        return _flat(margin, bought)
    return probability_of(intercept + slope * MARGINS)


def _flat(margin: Array, bought: Array) -> Array:
    """Almost the base rate for everybody: the margins told nothing, only their order is kept."""
    rate = (bought.sum() + 1.0) / (len(bought) + 2.0)
    center = np.log(rate / (1.0 - rate)) - _LEAST_SLOPE * margin.mean()
    return probability_of(center + _LEAST_SLOPE * MARGINS)


def fit_beta(margin: Array, bought: Array) -> Array:
    """Beta calibration: both ends of the scale get a slope of their own, neither below zero."""
    intercept, rise, fall = fit_logistic(_beta_terms(margin), bought, ridge=1e-3)
    if min(rise, fall) < 0:
        return fit_platt(margin, bought)
    return probability_of(intercept + _beta_terms(MARGINS) @ np.array([rise, fall]))


def _beta_terms(margin: Array) -> Array:
    return np.column_stack([-np.logaddexp(0.0, -margin), np.logaddexp(0.0, margin)])


def fit_isotonic(margin: Array, bought: Array) -> Array:
    """The rising step curve closest to the labels, on the table's grid, joined by lines."""
    cell = np.clip(np.rint((margin - LOWEST_MARGIN) * KNOTS_PER_UNIT), 0, KNOTS - 1).astype(int)
    carts = np.bincount(cell, minlength=KNOTS)
    seen = np.flatnonzero(carts)
    rates = _pool(np.bincount(cell, bought, KNOTS)[seen].tolist(), carts[seen].tolist())
    edge = 1.0 / (len(margin) + 2.0)
    return np.interp(MARGINS, MARGINS[seen], np.clip(rates, edge, 1.0 - edge))


def _pool(bought: list[float], carts: list[int]) -> Array:
    """Pool neighbours until rates rise: (cells,) rates."""
    blocks: list[tuple[float, int, int]] = []
    for hits, weight in zip(bought, carts, strict=True):
        block: tuple[float, int, int] = (hits, weight, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    return np.repeat([hits / weight for hits, weight, _ in blocks], [size for *_, size in blocks])


Fit = Callable[[Array, Array], Array]
METHODS: Final[Mapping[str, Fit]] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}
"""By name, the plainest first."""


@dataclass(frozen=True)
class Calibration:
    """The calibrator taken, and the cross-validated log loss of every method compared."""

    calibrator: Calibrator
    log_losses: Mapping[str, float]


def calibrate(margin: Array, bought: Array, fold: NDArray[np.intp]) -> Calibration:
    """Choose a method by log loss over ``fold`` (carts,) and fit it on all carts."""
    names = METHODS if len(margin) >= ENOUGH_FOR_CURVES else ("platt",)
    losses = {name: _held_out_losses(name, margin, bought, fold) for name in names}
    taken = _plainest(losses)
    means = {name: float(of_method.mean()) for name, of_method in losses.items()}
    return Calibration(Calibrator(taken, METHODS[taken](margin, bought)), means)


def _plainest(losses: Mapping[str, Array]) -> str:
    """The first method that loses, against the best, no more than chance may make of nothing."""
    best = min(losses.values(), key=np.mean)
    return next(name for name, of_method in losses.items() if _is_as_good(of_method - best))


def _is_as_good(difference: Array) -> bool:
    """Whether differences (carts,) are zero on average, but for one standard error."""
    return bool(difference.mean() <= difference.std() / np.sqrt(len(difference)))


def _held_out_losses(name: str, margin: Array, bought: Array, fold: NDArray[np.intp]) -> Array:
    probability = np.empty_like(margin)
    for held_out in np.unique(fold):
        out = fold == held_out
        table = METHODS[name](margin[~out], bought[~out])
        probability[out] = Calibrator(name, table)(margin[out].astype(np.float32))
    return log_losses(probability, bought)


def folds(groups: NDArray[Any], seed: int, count: int = FOLDS) -> NDArray[np.intp]:
    """A fold (0 to ``count`` - 1) for every cart; carts of one group share theirs.

    Where all carts are of one group, each is a group of its own.
    """
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        names, codes = groups, np.arange(len(groups))
    shuffled = np.random.default_rng(seed).permutation(len(names))
    return np.asarray(shuffled[codes] % count, dtype=np.intp)
