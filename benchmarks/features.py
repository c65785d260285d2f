"""Figure: from the lake to the features of every first cart of a session and product."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.contest import Contestant
from benchmarks.counters import ENTITIES, ROW, compared, computed, price_means, recencies
from benchmarks.figure import Figure, require
from cartwise.features.catalogue import SPECIFICATION

CONTESTANTS = (
    Contestant("Cartwise", "benchmarks.features_cartwise"),
    Contestant("Cartwise replay", "benchmarks.features_replay"),
    Contestant("DuckDB", "benchmarks.features_duckdb", "duckdb", "bench"),
    Contestant("Polars", "benchmarks.features_polars", "polars"),
    Contestant("PySpark", "benchmarks.features_spark", "pyspark", "spark", needs_java=True),
)
RELATIVE = 1e-6
"""Cartwise's vectors are float32: 24 bits."""
ABSOLUTE = 1e-9


def require_equal(ours: Path, theirs: Path) -> None:
    """Raise unless two results have the same carts and, in all that they share, equal values.

    The training set may have more carts: a pair that returns after its time to live is new to it.
    """
    other = _features(theirs)
    one = other.select(ROW).join(_features(ours), on=ROW, how="left", maintain_order="left")
    require(other.height > 0, "it has no carts")
    for name in compared():
        mine, their = one[name].to_numpy(), other[name].to_numpy()
        equal = np.isclose(mine, their, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        require(bool(equal.all()), f"{name} differs in {(~equal).sum():,} of {len(equal):,} carts")


def _features(out: Path) -> pl.DataFrame:
    """Row and values of every cart, missing as NaN."""
    carts = pl.read_parquet(sorted(out.rglob("*.parquet")))
    if "row" in carts.columns:  # a training set
        carts = carts.with_columns(seconds=pl.col("cart_time").dt.epoch("s"), position="row")
    values = [pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in compared()]
    return carts.select(pl.col(ROW).cast(pl.Int64), *values).with_columns(_forgotten())


def _forgotten() -> Iterator[pl.Expr]:
    """What is past its time to live reads as missing; peers leave that to this comparison."""
    for entity in ENTITIES:
        ago = {recency.event: recency.name for recency in recencies(entity)}
        of_event = [(one.event, one.name) for one in (*recencies(entity), *price_means(entity))]
        for event, name in of_event:
            if name in SPECIFICATION.unused:
                continue
            is_alive = pl.col(ago[event]) <= entity.time_to_live_seconds
            yield pl.when(is_alive).then(name).otherwise(np.nan).alias(name)


FIGURE = Figure(
    "features",
    f"lake to {len(computed())} values of every first cart of a session and product, of which "
    f"{len(compared())} are in Cartwise's vectors and compared; on top, "
    "Cartwise replay has derived features, and Cartwise labels, leak canary and states as well",
    "events",
    CONTESTANTS,
    require_equal,
    {"DuckDB": 10.0, "PySpark": 10.0},
)
