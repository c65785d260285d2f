"""No feature tells the day: a model would learn what became of that day, and no later one is it."""

import math
from collections.abc import Iterator

import polars as pl

from cartwise.features.catalogue import SPECIFICATION
from tests.shops import Shop

RHYTHMS = {"hour", "weekday"}
"""These come again."""


def told_by_the_moment(carts: pl.DataFrame) -> Iterator[tuple[str, float]]:
    """How much of the variance of a feature's ranks the quarters of the log's days explain."""
    moment = carts["cart_time"].dt.truncate("6h").alias("moment")
    for name in SPECIFICATION.vector:
        ranks = carts.select(moment, rank=pl.col(name).fill_nan(-math.inf).rank())
        total = ranks["rank"].var(ddof=0)
        if total:
            of_moment = ranks.select(pl.col("rank").mean().over("moment")).to_series()
            yield name, of_moment.var(ddof=0) / total


def test_no_feature_tells_the_day(trained_shop: Shop) -> None:
    carts = pl.read_parquet(sorted(trained_shop.training.rglob("*.parquet")))
    assert carts.height > 1000

    told = dict(told_by_the_moment(carts))

    assert told.keys() >= RHYTHMS
    assert {name: share for name, share in told.items() if share > 0.5} == {
        name: told[name] for name in RHYTHMS
    }
