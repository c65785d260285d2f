"""What a shop would otherwise use: the rates of users, products and categories, and a regression.

All learn from the carts that the model learns from, all but the test; the regression is moved to
what the latest of them came to, as the model is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.model.boosting import smoothed_rate
from cartwise.model.columns import LABEL
from cartwise.model.examples import TrainingSet
from cartwise.model.manifest import LEARNED_FROM
from cartwise.model.regression import REGRESSION_CARTS, Regression

Array = NDArray[np.float64]

RATE_COLUMNS: Final[Mapping[str, str]] = {
    "user_rate": "user_id",
    "product_rate": "product_id",
    "category_rate": "category_id",
}
NAMES: Final = ("base_rate", *RATE_COLUMNS, "logistic")
"""Every baseline, as in ``baseline_<name>_auc``."""

_PRIOR_CARTS: Final = 20.0


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
        regression = Regression.fit(
            *data.sample(parts, REGRESSION_CARTS), data.manifest.feature_names
        )
        if data.manifest.carts("calibration"):
            regression = regression.calibrated(*data.sample(["calibration"], REGRESSION_CARTS))
        return cls(base_rate, rates, regression)

    def score(self, carts: pl.DataFrame, vectors: NDArray[np.float32]) -> dict[str, Array]:
        """Every baseline's probability (n,) by name, for carts (n) and their vectors."""
        return {
            "base_rate": np.full(carts.height, self.base_rate),
            **{name: rate.score(carts) for name, rate in self.rates.items()},
            "logistic": self.regression.score(vectors),
        }
