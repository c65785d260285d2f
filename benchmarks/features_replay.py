"""Cartwise's feature core alone, for the work that its peers do and the derived features."""

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.counters import CART_KEY, day_files
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.replay import Replay


def run(lake: Path, out: Path) -> None:
    """Write ``out/features.parquet``: one row per first cart of a session and product."""
    replay, days = Replay(SPECIFICATION), []
    for file in day_files(lake):
        events = pl.read_parquet(file, hive_partitioning=False)
        carts = _carts(events)
        vectors = replay.vectors(events, carts["position"].to_numpy().astype(np.int64))
        days.append(carts.hstack(pl.DataFrame(vectors, schema=list(SPECIFICATION.vector))))
    features = pl.concat(days).unique(CART_KEY, keep="first", maintain_order=True)
    features.write_parquet(out / "features.parquet")


def _carts(events: pl.DataFrame) -> pl.DataFrame:
    """The first carts of a day, among which those of earlier days are yet to be dropped."""
    carts = events.with_row_index("position").filter(
        pl.col("user_session").is_not_null(), event_type="cart"
    )
    seconds = pl.col("event_time").dt.epoch("s").alias("seconds")
    return carts.unique(CART_KEY, keep="first", maintain_order=True).select(
        seconds, "position", *CART_KEY
    )
