"""What a shop would otherwise use: the rates of users, products and categories, and a regression.

All are learned from the train part alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.model.boosting import smoothed_rate
from cartwise.model.examples import LABEL, TrainingSet, labels
from cartwise.model.logistic import fit_logistic, predict_logistic

Array = NDArray[np.float64]

RATE_COLUMNS: Final[Mapping[str, str]] = {
    "user_rate": "user_id",
    "product_rate": "product_id",
    "category_rate": "category_id",
}
NAMES: Final = ("base_rate", *RATE_COLUMNS, "logistic")
"""Every baseline, as in ``baseline_<name>_auc``."""

_PRIOR_CARTS: Final = 20.0
_REGRESSION_CARTS: Final = 50_000
_REGRESSION_RIDGE: Final = 10.0
_LARGEST_Z: Final = 8.0


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
    """Logistic regression on the model's own vectors: medians for missing, then standardised."""

    median: Array
    mean: Array
    scale: Array
    weights: Array

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], bought: Array) -> Self:
        median = _medians(vectors)
        filled = np.where(np.isnan(vectors), median, vectors)
        mean, scale = filled.mean(axis=0), filled.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        standard = np.clip((filled - mean) / scale, -_LARGEST_Z, _LARGEST_Z)
        return cls(median, mean, scale, fit_logistic(standard, bought, ridge=_REGRESSION_RIDGE))

    def score(self, vectors: NDArray[np.float32]) -> Array:
        filled = np.where(np.isnan(vectors), self.median, vectors)
        standard = np.clip((filled - self.mean) / self.scale, -_LARGEST_Z, _LARGEST_Z)
        return predict_logistic(self.weights, standard)


@dataclass(frozen=True)
class Baselines:
    """All baselines, fitted."""

    base_rate: float
    rates: Mapping[str, Rates]
    regression: Regression

    @classmethod
    def fit(cls, data: TrainingSet) -> Self:
        """Learn every baseline from the train part; the regression from at most 50,000 carts."""
        carts = data.columns("train", [*RATE_COLUMNS.values(), LABEL])
        carts = carts.with_columns(pl.col(LABEL).cast(pl.Int64))
        base_rate = smoothed_rate(carts.height, int(carts[LABEL].sum()))
        rates = {name: Rates.fit(carts, key, base_rate) for name, key in RATE_COLUMNS.items()}
        return cls(base_rate, rates, Regression.fit(*_sample(data, carts.height)))

    def score(self, carts: pl.DataFrame, vectors: NDArray[np.float32]) -> dict[str, Array]:
        """Every baseline's probability (n,) by name, for carts (n) and their vectors."""
        return {
            "base_rate": np.full(carts.height, self.base_rate),
            **{name: rate.score(carts) for name, rate in self.rates.items()},
            "logistic": self.regression.score(vectors),
        }


def _sample(data: TrainingSet, carts: int) -> tuple[NDArray[np.float32], Array]:
    step = -(-carts // _REGRESSION_CARTS)
    columns = [*data.manifest.feature_names, LABEL]
    frames: Sequence[pl.DataFrame] = [
        frame.gather_every(step) for frame in data.batches("train", columns)
    ]
    sample = pl.concat(frames)
    return data.vectors(sample), labels(sample)


def _medians(vectors: NDArray[np.float32]) -> Array:
    """The median of every column, 0 for one that is missing throughout."""
    present = ~np.isnan(vectors).all(axis=0)
    median = np.zeros(vectors.shape[1])
    median[present] = np.nanmedian(vectors[:, present], axis=0)
    return median
