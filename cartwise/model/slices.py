"""Slices of the test carts: where the model is good, and where it is not.

A dimension is an expression over the test carts that names the slice of each; one that needs a
feature the training set does not have is left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.model.bootstrap import Estimate, intervals
from cartwise.model.columns import LABEL
from cartwise.model.measures import Ranking

Array = NDArray[np.float64]

PROBABILITY: Final = "probability"
FEATURES: Final = ("user_events_before", "product_events_before", "session_depth")
"""Features that dimensions read, where the training set has them."""

_LARGEST_CATEGORIES: Final = 8
_HOURS_PER_BAND: Final = 4
_DEPTHS: Final = (1, 3, 10)
_HALF_AN_EVENT: Final = 0.5
_SESSION_DECAY: Final = 0.1


@dataclass(frozen=True)
class Slice:
    """One slice: its carts, and AUC, share bought and mean probability with intervals."""

    dimension: str
    name: str
    carts: int
    auc: Estimate
    bought: Estimate
    predicted: float


def slice_carts(carts: pl.DataFrame, *, draws: int, seed: int) -> list[Slice]:
    """Every slice of every dimension, in order; ``carts`` hold label and probability."""
    return [
        _measure(dimension, name, carts.filter(among), draws, seed)
        for dimension, name, among in slice_masks(carts)
    ]


def slice_masks(carts: pl.DataFrame) -> Iterator[tuple[str, str, pl.Series]]:
    """Every slice of every dimension, in order: dimension, name and which carts are in it (n,)."""
    for dimension, expression in _dimensions(carts).items():
        names = carts.select(slice_name=expression.cast(pl.String))["slice_name"]
        for name in sorted(names.drop_nulls().unique()):
            yield dimension, name, (names == name).fill_null(value=False)


def _measure(dimension: str, name: str, rows: pl.DataFrame, draws: int, seed: int) -> Slice:
    probability, bought = (rows[column].to_numpy() for column in (PROBABILITY, LABEL))
    ranking = Ranking(probability, bought)

    def statistic(weight: Array) -> Array:
        gains = ranking.gains(weight)
        return np.array([gains.auc, gains.bought[-1] / gains.carts[-1]])

    (found,) = intervals([statistic], rows["user_id"].to_numpy(), draws=draws, seed=seed)
    auc, share = found
    if np.ptp(bought) == 0:
        share = share.without_interval()
    return Slice(dimension, name, rows.height, auc, share, float(probability.mean()))


def _dimensions(carts: pl.DataFrame) -> Mapping[str, pl.Expr]:
    dimensions = {
        "category": _category(carts),
        "price": _price_band(carts),
        # The session's own events weigh less at its short half-life than among the user's.
        "user": _history(
            pl.col("user_events_before") - _SESSION_DECAY * pl.col("session_depth"), "user"
        ),
        # The cart itself is one of the product's events.
        "product": _history(pl.col("product_events_before") - 1.0, "product"),
        "hour (UTC)": _hour_band(),
        "session depth": _depth_band(),
    }
    present = {*carts.columns}
    return {
        name: expression
        for name, expression in dimensions.items()
        if present.issuperset(expression.meta.root_names())
    }


def _category(carts: pl.DataFrame) -> pl.Expr:
    top = pl.col("category_code").str.split(".").list.first()
    sizes = carts.select(top.alias("top"))["top"].drop_nulls().value_counts(sort=True)
    largest = sizes["top"].head(_LARGEST_CATEGORIES).to_list()
    return (
        pl.when(top.is_null())
        .then(pl.lit("without a code"))
        .when(top.is_in(largest))
        .then(top)
        .otherwise(pl.lit("all others"))
    )


def _price_band(carts: pl.DataFrame) -> pl.Expr:
    known = pl.when(pl.col("price") > 0.0).then("price")
    prices = carts.select(known)["price"]
    quartiles = [prices.quantile(share) or 0.0 for share in (0.25, 0.5, 0.75)]
    bounds = [f"{bound:,.2f}" for bound in quartiles]
    band = _band(
        known,
        quartiles,
        [
            f"1: up to {bounds[0]}",
            f"2: {bounds[0]} to {bounds[1]}",
            f"3: {bounds[1]} to {bounds[2]}",
            f"4: above {bounds[2]}",
        ],
    )
    return band.fill_null(pl.when(pl.col("price").max() > 0.0).then(pl.lit("5: unknown")))


def _depth_band() -> pl.Expr:
    names = ["1: first event", "2: 2 to 3 events", "3: 4 to 10 events", "4: more events"]
    return _band(pl.col("session_depth").fill_nan(None), _DEPTHS, names)


def _band(value: pl.Expr, bounds: Any, names: list[str]) -> pl.Expr:
    """The first name whose bound (inclusive) the value does not exceed, else the last."""
    expression = pl.lit(names[-1])
    for bound, name in reversed([*zip(bounds, names[:-1], strict=True)]):
        expression = pl.when(value <= bound).then(pl.lit(name)).otherwise(expression)
    return pl.when(value.is_not_null()).then(expression)


def _hour_band() -> pl.Expr:
    first = pl.col("cart_time").dt.hour() // _HOURS_PER_BAND * _HOURS_PER_BAND
    return pl.format(
        "{}:00 to {}:59",
        first.cast(pl.String).str.zfill(2),
        (first + _HOURS_PER_BAND - 1).cast(pl.String).str.zfill(2),
    )


def _history(events_before: pl.Expr, entity: str) -> pl.Expr:
    """Whether there was about one event before; half of one may be what decay left unequal."""
    before = events_before.fill_nan(0.0).fill_null(0.0)
    return (
        pl.when(before > _HALF_AN_EVENT)
        .then(pl.lit(f"known {entity}"))
        .otherwise(pl.lit(f"new {entity}"))
    )
