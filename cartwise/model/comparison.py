"""Two models on the same carts: how much better one is, how sure that is, and where it is worse.

Users are drawn with replacement, each with all carts and both probabilities (a paired bootstrap):
what both models find hard cancels out. Log loss is compared because it alone rewards a probability
for being right; a difference below zero is for the better, and one of AUC above zero.

Two seeds of one recipe differ for good, on however many carts: one of them is the better model by
luck. *Twins*, the same recipe with other seeds, tell how much of a difference that explains.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from cartwise.model.bootstrap import weighings
from cartwise.model.measures import Ranking, log_losses

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

NORMAL: Final = NormalDist()
_MOST_WEIGHINGS: Final = 4e7
_FEWEST_DRAWS: Final = 200


@dataclass(frozen=True)
class Pair:
    """The same carts by both models: users, labels and probabilities, each (carts,)."""

    users: NDArray[Any]
    bought: Array
    champion: Array
    challenger: Array


@dataclass(frozen=True)
class Difference:
    """Challenger less champion, with its standard error and that error's degrees of freedom."""

    value: float
    error: float
    freedom: float = math.inf

    @property
    def deviations(self) -> float:
        """The difference in standard errors; 0 where both models say the same."""
        return self.value / self.error if self.error > 0 else 0.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided interval, by the normal distribution."""
        reach = NORMAL.inv_cdf(0.5 + level / 2) * self.error
        return self.value - reach, self.value + reach

    @property
    def chance(self) -> float:
        """How often a challenger that is no better would seem as good as this, or better."""
        return float(stdtr(self.freedom, self.deviations)) if self.error > 0 else 1.0

    def with_luck(self, luck: float, twins: int) -> "Difference":
        """The same difference, less sure by the variance ``luck`` of either model's seed.

        Degrees of freedom are those of Welch (1947) and Satterthwaite (1946).
        """
        variance = self.error**2 + 2.0 * luck
        freedom = (twins - 1) * (variance / (2.0 * luck)) ** 2 if luck > 0 else math.inf
        return Difference(self.value, math.sqrt(variance), freedom)


@dataclass(frozen=True)
class SliceDifference:
    """The log loss in one slice, challenger less champion."""

    name: str
    carts: int
    champion_log_loss: float
    log_loss: Difference

    @property
    def relative(self) -> float:
        """The difference as a share of the champion's log loss."""
        return self.log_loss.value / self.champion_log_loss if self.champion_log_loss else 0.0


@dataclass(frozen=True)
class Comparison:
    """What the paired bootstrap found.

    ``critical`` is how many standard errors some slice exceeds by chance in 5 of 100 cases where
    none is worse: the draws' own maximum over all slices that are judged, so that slices that
    overlap are not counted twice (Westfall and Young 1993).
    """

    carts: int
    users: int
    log_loss: Difference
    auc: Difference
    slices: Sequence[SliceDifference]
    critical: float


def compare(
    pair: Pair,
    slices: Mapping[str, Mask],
    twins: Sequence[Array] = (),
    *,
    draws: int = 1000,
    seed: int = 7,
    fewest_carts: float = 0,
) -> Comparison:
    """Compare both models overall and in each of ``slices``, masks of carts by name.

    ``twins`` are probabilities (carts,) by the challenger's recipe with other seeds, two or more;
    without them, only the choice of test carts makes the difference uncertain. Slices of fewer than
    ``fewest_carts`` are measured, and do not count for ``critical``. Many carts get fewer draws,
    but never fewer than 200.
    """
    losses = [log_losses(score, pair.bought) for score in (pair.champion, pair.challenger)]
    masks = np.array([np.ones(len(pair.users), np.bool_), *slices.values()])
    excess = masks * (losses[1] - losses[0])
    rankings = [Ranking(score, pair.bought) for score in (pair.champion, pair.challenger)]
    draws = min(draws, max(_FEWEST_DRAWS, int(_MOST_WEIGHINGS / max(masks.size, 1))))

    def measured(weight: Array) -> Array:
        """Differences of log loss by slice, the whole first, and of AUC last."""
        auc = rankings[1].gains(weight).auc - rankings[0].gains(weight).auc
        with np.errstate(invalid="ignore"):
            return np.append(excess @ weight / (masks @ weight), auc)

    judged = np.array([mask.sum() >= fewest_carts for mask in slices.values()], dtype=np.bool_)
    value = measured(np.ones(len(pair.users)))
    drawn = np.array([measured(weight) for weight in weighings(pair.users, draws, seed)])
    error = np.nanstd(drawn, axis=0) if len(drawn) else np.zeros_like(value)
    found = [Difference(float(v), float(e)) for v, e in zip(value, error, strict=True)]
    return Comparison(
        carts=len(pair.users),
        users=len(np.unique(pair.users)),
        log_loss=found[0] if len(twins) < 2 else found[0].with_luck(_luck(pair, twins), len(twins)),
        auc=found[-1],
        slices=[
            SliceDifference(name, int(mask.sum()), float(losses[0][mask].mean()), difference)
            for (name, mask), difference in zip(slices.items(), found[1:-1], strict=True)
        ],
        critical=_critical((drawn - value)[:, 1:-1][:, judged], error[1:-1][judged])
        if judged.any()
        else np.inf,
    )


def _luck(pair: Pair, twins: Sequence[Array]) -> float:
    """The variance of the log loss over seeds."""
    return float(np.var([log_losses(twin, pair.bought).mean() for twin in twins], ddof=1))


def _critical(deviation: Array, error: Array) -> float:
    usable = error > 0
    if not usable.any():
        return float("inf")
    highest = np.nanmax(deviation[:, usable] / error[usable], axis=1)
    return float(np.quantile(highest, 0.95))
