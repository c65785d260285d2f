"""Figure: from CSV to a lake of typed, distinct events by day, each day in log order."""

from pathlib import Path

import polars as pl

from benchmarks.contest import Contestant
from benchmarks.figure import Figure, require
from cartwise.events import COLUMNS, EVENT_TYPES

CONTESTANTS = (
    Contestant("Cartwise", "benchmarks.ingest_cartwise"),
    Contestant("DuckDB", "benchmarks.ingest_duckdb", "duckdb", "bench"),
    Contestant("Polars", "benchmarks.ingest_polars", "polars"),
    Contestant("PySpark", "benchmarks.ingest_spark", "pyspark", "spark", needs_java=True),
)


def require_equal(ours: Path, theirs: Path) -> None:
    """Raise unless two lakes hold the same events in the same order."""
    days = {path.name for path in ours.glob("event_date=*")}
    require(days == {path.name for path in theirs.glob("event_date=*")}, "the days differ")
    for day in sorted(days):
        require(_events(ours / day).equals(_events(theirs / day)), f"the events of {day} differ")


def _events(day: Path) -> pl.DataFrame:
    files = sorted(day.glob("*.parquet"))
    return pl.concat(
        pl.read_parquet(file, hive_partitioning=False).select(
            pl.col("event_time").dt.epoch("s"),
            pl.col("event_type").cast(pl.Enum(EVENT_TYPES)),
            *COLUMNS[2:],
        )
        for file in files
    )


FIGURE = Figure(
    "ingest",
    "CSV to Parquet: typed, valid, distinct, by day in log order; Cartwise keeps a quarantine with "
    "reasons and an exact account on top",
    "events",
    CONTESTANTS,
    require_equal,
    {"PySpark": 3.0},
)
