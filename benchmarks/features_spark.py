"""The counters as Spark windows: https://spark.apache.org/docs/latest/sql-ref-syntax-qry-select-window.html"""

from collections.abc import Iterator
from functools import reduce
from pathlib import Path

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from benchmarks.counters import (
    CART_KEY,
    ENTITIES,
    HALF_LIVES,
    ROW,
    counters,
    landmark,
    price_means,
    recencies,
)
from benchmarks.spark import session
from cartwise.features.spec import Entity


def run(lake: Path, out: Path) -> None:
    """Write the folder ``out/features``: one row per first cart of a session and product."""
    log = _log(lake).cache()
    parts = [_windows(log, entity) for entity in ENTITIES]
    features = reduce(lambda left, part: left.join(part, list(ROW), "left"), parts, _carts(log))
    features.write.mode("overwrite").parquet(str(out / "features"))
    log.unpersist()


def _log(lake: Path) -> DataFrame:
    events = session().read.parquet(str(lake))
    since = f.unix_seconds("event_time") - landmark(lake)
    return events.select(
        f.unix_seconds("event_time").alias("seconds"),
        f.col("_metadata.row_index").alias("position"),
        "event_type",
        "product_id",
        "category_id",
        "brand",
        "user_id",
        "user_session",
        f.when(f.col("price") > 0, f.log("price")).alias("log_price"),
        *(f.pow(2.0, since / length).alias(f"weight_{h}") for h, length in HALF_LIVES.items()),
    )


def _carts(log: DataFrame) -> DataFrame:
    first = Window.partitionBy(*CART_KEY).orderBy(*ROW)
    carts = log.where("event_type = 'cart' AND user_session IS NOT NULL").select(*ROW, *CART_KEY)
    return carts.withColumn("nth", f.row_number().over(first)).where("nth = 1").drop("nth")


def _windows(log: DataFrame, entity: Entity) -> DataFrame:
    past = Window.partitionBy(*entity.key).orderBy(*ROW)
    past = past.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    values = [value.alias(name) for name, value in _values(entity, past)]
    known = log.dropna(subset=list(entity.key)) if entity.key else log
    return known.select(*ROW, "event_type", *values).where("event_type = 'cart'").drop("event_type")


def _values(entity: Entity, past: Window) -> Iterator[tuple[str, Column]]:
    for counter in counters(entity):
        weight = f.col(f"weight_{counter.half_life}")
        total = f.sum(f.when(f.col("event_type") == counter.event, weight)).over(past)
        yield counter.name, f.coalesce(total / weight, f.lit(0.0))
    for recency in recencies(entity):
        latest = f.max(f.when(f.col("event_type") == recency.event, f.col("seconds"))).over(past)
        yield recency.name, f.col("seconds") - latest
    for mean in price_means(entity):
        weight, price = f.col(f"weight_{mean.half_life}"), f.col("log_price")
        counts = (f.col("event_type") == mean.event) & price.isNotNull()
        total = f.sum(f.when(counts, weight * price)).over(past)
        yield mean.name, total / f.sum(f.when(counts, weight)).over(past)
