"""What a shop would otherwise use: the rates of users, products and categories, and a regression.

All learn from the carts that the model learns from, all but the test; the regression is moved to
what the latest of them came to, as the model is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.model.boosting import smoothed_rate
from cartwise.model.columns import LABEL
from cartwise.model.examples import TrainingSet, labels
from cartwise.model.logistic import fit_logistic, probability_of
from cartwise.model.manifest import LEARNED_FROM, PartName

Array = NDArray[np.float64]

RATE_COLUMNS: Final[Mapping[str, str]] = {
    "user_rate": "user_id",
    "product_rate": "product_id",
    "category_rate": "category_id",
}
NAMES: Final = ("base_rate", *RATE_COLUMNS, "logistic")
"""Every baseline, as in ``baseline_<name>_auc``."""

_PRIOR_CARTS: Final = 20.0
_REGRESSION_CARTS: Final = 100_000
_REGRESSION_RIDGE: Final = 10.0
_LARGEST_Z: Final = 8.0
_RHYTHMS: Final[Mapping[str, int]] = {"hour": 24, "weekday": 7}
"""Features that come again, with how many values a regression tells apart: half past three is
three o'clock."""


@dataclass(frozen=True)
class Rates:
    """The share bought by key, pulled towards the base rate by 20 carts of prior."""

    column: str
    base_rate: float
    rates: pl.DataFrame

    @classmethod
    def fit(cls, carts: pl.DataFrame, column: str, base_rate: float) -> Self:
        smoothed = (pl.col(LABEL).sum() + _PRIOR_CARTS * base_rate) / (pl.len() + _PRIOR_CARTS)
        known = carts.filter(pl.col(column).is_not_null())
        return cls(column, base_rate, known.group_by(column).agg(rate=smoothed))

    def score(self, carts: pl.DataFrame) -> Array:
        """The rate of each cart's key (n,); the base rate where the key is new or missing."""
        joined = carts.select(self.column).join(
            self.rates, on=self.column, how="left", maintain_order="left"
        )
        return joined["rate"].fill_null(self.base_rate).to_numpy()


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
    def fit(cls, vectors: NDArray[np.float32], bought: Array, names: Sequence[str] = ()) -> Self:
        """Learn from vectors (n, features), whose columns have these names, and labels (n,)."""
        rhythms = tuple((names.index(name), n) for name, n in _RHYTHMS.items() if name in names)
        scaled = _on_log_scale(vectors)
        flags = np.sort(np.unique(np.isnan(scaled), axis=1, return_index=True)[1])
        median = _medians(scaled)
        columns = _filled(scaled, median, flags, _dummies(vectors, rhythms))
        mean, scale = columns.mean(axis=0), columns.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        standard = _standard(columns, mean, scale)
        weights = fit_logistic(standard, bought, ridge=_REGRESSION_RIDGE)
        return cls(rhythms, flags, median, mean, scale, weights)

    def calibrated(self, vectors: NDArray[np.float32], bought: Array) -> Self:
        """The same, with its log-odds moved and stretched to what these carts came to."""
        intercept, slope = fit_logistic(self._log_odds(vectors)[:, None], bought, ridge=1e-6)
        return replace(self, line=(float(intercept), float(slope)))

    def score(self, vectors: NDArray[np.float32]) -> Array:
        """Probabilities (n,) of vectors (n, features)."""
        intercept, slope = self.line
        return probability_of(intercept + slope * self._log_odds(vectors))

    def _log_odds(self, vectors: NDArray[np.float32]) -> Array:
        dummies = _dummies(vectors, self.rhythms)
        columns = _filled(_on_log_scale(vectors), self.median, self.flags, dummies)
        standard = _standard(columns, self.mean, self.scale)
        log_odds: Array = self.weights[0] + standard @ self.weights[1:]
        return log_odds


@dataclass(frozen=True)
class Baselines:
    """All baselines, fitted."""

    base_rate: float
    rates: Mapping[str, Rates]
    regression: Regression

    @classmethod
    def fit(cls, data: TrainingSet) -> Self:
        """Learn every baseline; the regression from at most 100,000 carts."""
        parts = [part for part in LEARNED_FROM if data.manifest.carts(part)]
        known = [data.columns(part, [*RATE_COLUMNS.values(), LABEL]) for part in parts]
        carts = pl.concat(known).with_columns(pl.col(LABEL).cast(pl.Int64))
        base_rate = smoothed_rate(carts.height, int(carts[LABEL].sum()))
        rates = {name: Rates.fit(carts, key, base_rate) for name, key in RATE_COLUMNS.items()}
        regression = Regression.fit(*_sample(data, parts), data.manifest.feature_names)
        if data.manifest.carts("calibration"):
            regression = regression.calibrated(*_sample(data, ["calibration"]))
        return cls(base_rate, rates, regression)

    def score(self, carts: pl.DataFrame, vectors: NDArray[np.float32]) -> dict[str, Array]:
        """Every baseline's probability (n,) by name, for carts (n) and their vectors."""
        return {
            "base_rate": np.full(carts.height, self.base_rate),
            **{name: rate.score(carts) for name, rate in self.rates.items()},
            "logistic": self.regression.score(vectors),
        }


def _sample(data: TrainingSet, parts: Sequence[PartName]) -> tuple[NDArray[np.float32], Array]:
    """Vectors and labels of carts all over these parts, of all where they are few enough."""
    total = sum(map(data.manifest.carts, parts))
    share = min(1.0, _REGRESSION_CARTS / total)
    chosen = np.diff(np.floor(share * np.arange(total + 1))) > 0
    columns = [*data.manifest.feature_names, LABEL]
    frames, past = [], 0
    for frame in chain.from_iterable(data.batches(part, columns) for part in parts):
        first, past = past, past + frame.height
        frames.append(frame.filter(chosen[first:past]))
    sample = pl.concat(frames)
    return data.vectors(sample), labels(sample)


def _standard(columns: Array, mean: Array, scale: Array) -> Array:
    """The columns standardised, in place: there may be hundreds of megabytes of them."""
    columns -= mean
    columns /= scale
    return np.clip(columns, -_LARGEST_Z, _LARGEST_Z, out=columns)


def _on_log_scale(vectors: NDArray[np.float32]) -> Array:
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
        yield np.eye(count, dtype=np.float32)[vectors[:, column].astype(np.intp)]


def _medians(vectors: Array) -> Array:
    """The median of every column, 0 for one that is missing throughout."""
    present = ~np.isnan(vectors).all(axis=0)
    median = np.zeros(vectors.shape[1])
    median[present] = np.nanmedian(vectors[:, present], axis=0)
    return median
