"""The counters as DuckDB window functions: https://duckdb.org/docs/sql/functions/window_functions"""

from collections.abc import Iterator
from pathlib import Path

import duckdb

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

THREADS = 2


def run(lake: Path, out: Path) -> None:
    """Write ``out/features.parquet``: one row per first cart of a session and product."""
    with duckdb.connect(config={"threads": THREADS}) as database:
        database.execute(_log(lake))
        database.execute(_carts())
        for entity in ENTITIES:
            database.execute(_windows(entity))
        database.execute(_join(out / "features.parquet"))


def _log(lake: Path) -> str:
    files = ", ".join(f"'{file}'" for file in day_files(lake))
    since = f"(epoch(event_time) - {landmark(lake)})"
    powers = (f"pow(2, {since} / {seconds}) AS weight_{h}" for h, seconds in HALF_LIVES.items())
    return f"""
        CREATE TEMP TABLE log AS
        SELECT epoch(event_time)::BIGINT AS seconds, file_row_number AS position, event_type,
               product_id, category_id, brand, user_id, user_session,
               CASE WHEN price > 0 THEN ln(price) END AS log_price, {", ".join(powers)}
        FROM read_parquet([{files}], file_row_number = true, hive_partitioning = false)"""


def _carts() -> str:
    key, row = ", ".join(CART_KEY), ", ".join(ROW)
    return f"""
        CREATE TEMP TABLE carts AS
        SELECT {row}, {key} FROM log WHERE event_type = 'cart' AND user_session IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {row}) = 1"""


def _windows(entity: Entity) -> str:
    partition = f"PARTITION BY {', '.join(entity.key)}" if entity.key else ""
    known = " AND ".join(f"{column} IS NOT NULL" for column in entity.key) or "true"
    return f"""
        CREATE TEMP TABLE of_{entity.name} AS
        SELECT * EXCLUDE (event_type) FROM (
            SELECT {", ".join(ROW)}, event_type, {", ".join(_values(entity))}
            FROM log WHERE {known}
            WINDOW past AS ({partition} ORDER BY {", ".join(ROW)} ROWS UNBOUNDED PRECEDING))
        WHERE event_type = 'cart'"""


def _values(entity: Entity) -> Iterator[str]:
    for counter in counters(entity):
        weight = f"weight_{counter.half_life}"
        yield f"coalesce({_past('sum', weight, counter.event)} / {weight}, 0) AS {counter.name}"
    for recency in recencies(entity):
        yield f"seconds - {_past('max', 'seconds', recency.event)} AS {recency.name}"
    for mean in price_means(entity):
        weight = f"weight_{mean.half_life}"
        total = _past("sum", f"{weight} * log_price", mean.event)
        known = _past("sum", f"CASE WHEN log_price IS NOT NULL THEN {weight} END", mean.event)
        yield f"{total} / {known} AS {mean.name}"


def _past(function: str, value: str, event: str) -> str:
    return f"{function}({value}) FILTER (WHERE event_type = '{event}') OVER past"


def _join(file: Path) -> str:
    row = ", ".join(ROW)
    tables = " ".join(f"LEFT JOIN of_{entity.name} USING ({row})" for entity in ENTITIES)
    return f"COPY (FROM carts {tables}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)"
