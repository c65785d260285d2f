"""The same lake by Polars: https://docs.pola.rs/user-guide/io/csv"""

from pathlib import Path

import polars as pl

from benchmarks.rawlog import raw_files
from cartwise.events import COLUMNS, EVENT_SCHEMA, EVENT_TYPES


def run(raw: Path, out: Path) -> None:
    """Write the valid, distinct events by day, each day in log order."""
    schema = {**EVENT_SCHEMA, "event_time": pl.String(), "event_type": pl.String()}
    valid = (
        pl.col("event_time").is_not_null(),
        pl.col("event_type").is_in(EVENT_TYPES),
        pl.col("price") >= 0,
        pl.col("product_id").is_not_null(),
        pl.col("user_id").is_not_null(),
    )
    (
        pl.scan_csv(raw_files(raw), schema=schema)
        .with_columns(
            pl.col("event_time").str.to_datetime("%Y-%m-%d %H:%M:%S UTC", time_zone="UTC")
        )
        .filter(*valid)
        .unique(COLUMNS, keep="first", maintain_order=True)
        .sort("event_time", maintain_order=True)
        .with_columns(event_date=pl.col("event_time").dt.date())
        .sink_parquet(pl.PartitionBy(out, key="event_date", include_key=False), mkdir=True)
    )
