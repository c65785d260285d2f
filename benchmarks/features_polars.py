"""The counters as Polars expressions: https://docs.pola.rs/user-guide/expressions/window-functions"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from benchmarks.counters import (
    CART_KEY,
    ENTITIES,
    HALF_LIVES,
    ROW,
    counters,
    day_files,
    landmark,
    price_means,
    recencies,
)
from cartwise.features.spec import Entity


def run(lake: Path, out: Path) -> None:
    """Write ``out/features.parquet``: one row per first cart of a session and product."""
    log = _log(lake)
    carts = log.filter(pl.col("user_session").is_not_null(), event_type="cart")
    first = carts.unique(CART_KEY, keep="first", maintain_order=True)
    features = first.select(*ROW, *CART_KEY)
    for entity in ENTITIES:
        features = features.join(_windows(log, entity), on=ROW, how="left")
    features.write_parquet(out / "features.parquet")


def _log(lake: Path) -> pl.DataFrame:
    """The log in log order, in memory."""
    days = [pl.scan_parquet(file).with_row_index("position") for file in day_files(lake)]
    seconds = pl.col("event_time").dt.epoch("s")
    since = seconds - landmark(lake)
    return (
        pl.concat(days)
        .select(
            pl.exclude("event_time", "category_code", "price"),
            pl.when(pl.col("price") > 0).then(pl.col("price").log()).alias("log_price"),
            *(
                pl.lit(2.0).pow(since / length).alias(f"weight_{h}")
                for h, length in HALF_LIVES.items()
            ),
            seconds=seconds,
        )
        .collect()
    )


def _windows(log: pl.DataFrame, entity: Entity) -> pl.DataFrame:
    values = [_over(value, entity).alias(name) for name, value in _values(entity)]
    return (
        log.lazy()
        .drop_nulls(entity.key)
        .select(*ROW, "event_type", *values)
        .filter(event_type="cart")
        .drop("event_type")
        .collect()
    )


def _over(value: pl.Expr, entity: Entity) -> pl.Expr:
    return value.over(entity.key) if entity.key else value


def _values(entity: Entity) -> Iterator[tuple[str, pl.Expr]]:
    for counter in counters(entity):
        weight = pl.col(f"weight_{counter.half_life}")
        yield counter.name, _sum(weight, counter.event) / weight
    for recency in recencies(entity):
        latest = pl.when(event_type=recency.event).then("seconds").forward_fill()
        yield recency.name, pl.col("seconds") - latest
    for mean in price_means(entity):
        weight, price = pl.col(f"weight_{mean.half_life}"), pl.col("log_price")
        known = _sum(pl.when(price.is_not_null()).then(weight).otherwise(0.0), mean.event)
        total = _sum((weight * price).fill_null(0.0), mean.event)
        yield mean.name, pl.when(known > 0).then(total / known)


def _sum(value: pl.Expr, event: str) -> pl.Expr:
    return pl.when(event_type=event).then(value).otherwise(0.0).cum_sum()
