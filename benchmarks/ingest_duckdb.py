"""The same lake by DuckDB: https://duckdb.org/docs/data/csv/overview

A partitioned COPY does not keep the order of rows within a partition, so each day has its own.
"""

from pathlib import Path

import duckdb

from benchmarks.rawlog import raw_files
from cartwise.events import COLUMNS, EVENT_TYPES

THREADS = 2
_NINE = ", ".join(COLUMNS)
_TYPES = {
    "event_time": "TIMESTAMP",
    "event_type": "VARCHAR",
    "product_id": "BIGINT",
    "category_id": "BIGINT",
    "category_code": "VARCHAR",
    "brand": "VARCHAR",
    "price": "DOUBLE",
    "user_id": "BIGINT",
    "user_session": "VARCHAR",
}


def run(raw: Path, out: Path) -> None:
    """Write the valid, distinct events by day, each day in log order."""
    with duckdb.connect(config={"threads": THREADS}) as database:
        database.execute(_distinct(raw))
        days = database.execute("SELECT DISTINCT event_time::DATE FROM events").fetchall()
        for (day,) in days:
            folder = out / f"event_date={day}"
            folder.mkdir(parents=True)
            database.execute(_copy(day.isoformat(), folder / "events.parquet"))


def _distinct(raw: Path) -> str:
    files = [str(file) for file in raw_files(raw)]
    return f"""
        CREATE TEMP TABLE events AS
        SELECT {_NINE}, min(position) AS position
        FROM (
            SELECT *, row_number() OVER () AS position
            FROM read_csv({files}, header = true, columns = {_TYPES},
                          timestampformat = '%Y-%m-%d %H:%M:%S UTC'))
        WHERE event_time IS NOT NULL AND event_type IN {EVENT_TYPES} AND price >= 0
            AND product_id IS NOT NULL AND user_id IS NOT NULL
        GROUP BY {_NINE}"""


def _copy(day: str, file: Path) -> str:
    return f"""
        COPY (SELECT {_NINE} FROM events WHERE event_time::DATE = '{day}'
              ORDER BY event_time, position)
        TO '{file}' (FORMAT parquet, COMPRESSION zstd)"""
