"""Logistic regression on vectors: a baseline, and where boosting begins."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cartwise.model.logistic import fit_logistic, probability_of

Array = NDArray[np.float64]

REGRESSION_CARTS: Final = 100_000
"""So many are fitted on where there are more: it bounds memory."""

_RIDGE: Final = 10.0
_LARGEST_Z: Final = 8.0
_RHYTHMS: Final[Mapping[str, int]] = {"hour": 24, "weekday": 7}
"""Features that come again, with how many values a regression tells apart: half past three is
three o'clock."""


@dataclass(frozen=True)
class Regression:
    """Logistic regression on the model's own vectors, prepared as a careful analyst would.

    Values are put on a logarithmic scale, what is missing becomes the median and is told by a flag,
    every hour and weekday gets a weight of its own, and all are standardised. Flags that are the
    same for every cart learned from are told once.
    """

    rhythms: tuple[tuple[int, int], ...]
    flags: NDArray[np.intp]
    median: Array
    mean: Array
    scale: Array
    weights: Array
    line: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def fit(
        cls,
        vectors: NDArray[np.float32],
        bought: Array,
        names: Sequence[str] = (),
        ridge: float = _RIDGE,
    ) -> Self:
        """Learn from vectors (n, features), whose columns have these names, and labels (n,).

        ``ridge`` is the weight of the squared weights, summed over carts.
        """
        rhythms = tuple((names.index(name), n) for name, n in _RHYTHMS.items() if name in names)
        scaled = on_log_scale(vectors)
        flags = _different(np.isnan(scaled))
        median = _medians(scaled)
        columns = _filled(scaled, median, flags, _dummies(vectors, rhythms))
        mean, scale = columns.mean(axis=0), columns.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        standard = _standard(columns, mean, scale)
        weights = fit_logistic(standard, bought, ridge=ridge)
        return cls(rhythms, flags, median, mean, scale, weights)

    def calibrated(self, vectors: NDArray[np.float32], bought: Array) -> Self:
        """The same, with its log-odds moved and stretched to what these carts came to."""
        intercept, slope = fit_logistic(self._log_odds(vectors)[:, None], bought, ridge=1e-6)
        return replace(self, line=(float(intercept), float(slope)))

    def score(self, vectors: NDArray[np.float32]) -> Array:
        """Probabilities (n,) of vectors (n, features)."""
        intercept, slope = self.line
        return probability_of(intercept + slope * self._log_odds(vectors))

    @property
    def intercept(self) -> float:
        """The log-odds, not calibrated, that :meth:`contributions` add to."""
        return float(self.weights[0])

    def contributions(self, vectors: NDArray[np.float32]) -> Array:
        """What each feature adds to the log-odds, not calibrated: (n, features)."""
        features = vectors.shape[1]
        added = self._columns(vectors) * self.weights[1:]
        hours = [np.repeat(column, values) for column, values in self.rhythms]
        found = added[:, :features]
        for place, feature in enumerate(np.concatenate([self.flags, *hours]), features):
            found[:, feature] += added[:, place]
        return found

    def _log_odds(self, vectors: NDArray[np.float32]) -> Array:
        log_odds: Array = self.weights[0] + self._columns(vectors) @ self.weights[1:]
        return log_odds

    def _columns(self, vectors: NDArray[np.float32]) -> Array:
        dummies = _dummies(vectors, self.rhythms)
        columns = _filled(on_log_scale(vectors), self.median, self.flags, dummies)
        return _standard(columns, self.mean, self.scale)


def _standard(columns: Array, mean: Array, scale: Array) -> Array:
    """The columns standardised, in place: there may be hundreds of megabytes of them."""
    columns -= mean
    columns /= scale
    return np.clip(columns, -_LARGEST_Z, _LARGEST_Z, out=columns)


def on_log_scale(vectors: NDArray[np.float32]) -> Array:
    """``log(1 + x)`` with the sign of x."""
    values = vectors.astype(np.float64)
    return np.asarray(np.copysign(np.log1p(np.abs(values)), values))


def _filled(
    values: Array,
    median: Array,
    flags: NDArray[np.intp],
    dummies: Iterable[NDArray[np.float32]],
) -> Array:
    """Values with medians for what is missing, beside them what is missing of ``flags``, and
    ``dummies``."""
    missing = np.isnan(values)
    return np.column_stack([np.where(missing, median, values), missing[:, flags], *dummies])


def _dummies(
    vectors: NDArray[np.float32], rhythms: Iterable[tuple[int, int]]
) -> Iterator[NDArray[np.float32]]:
    """For every (column, values): which of its values each cart has, shape (n, values)."""
    for column, count in rhythms:
        yield np.eye(count, dtype=np.float32)[np.nan_to_num(vectors[:, column]).astype(np.intp)]


def _different(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The places of the columns that are like none before them."""
    first: dict[bytes, int] = {}
    for place, packed in enumerate(np.packbits(flags, axis=0).T):
        first.setdefault(packed.tobytes(), place)
    return np.array(list(first.values()), dtype=np.intp)


def _medians(vectors: Array) -> Array:
    """The median of every column, 0 for one that is missing throughout."""
    present = ~np.isnan(vectors).all(axis=0)
    median = np.zeros(vectors.shape[1])
    median[present] = np.nanmedian(vectors[:, present], axis=0)
    return median
