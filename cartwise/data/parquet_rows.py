"""Parquet files of events, batch by batch, as raw rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from cartwise.data.contract import LINE
from cartwise.data.raw_rows import REFUSED_TEXT_SCHEMA, RawRows, without_empty_text
from cartwise.errors import InputError
from cartwise.events import COLUMNS, EVENT_SCHEMA

_BATCH_ROWS: Final = 2**18


def read_batches(path: Path) -> Iterator[RawRows]:
    """Yield the rows of a Parquet file, numbered from 1, in batches of bounded size."""
    first_row = 1
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(COLUMNS)):
            rows = _raw_rows(batch, first_row)
            yield rows
            first_row += rows.height


def column_names(path: Path) -> tuple[str, ...]:
    """The columns of a Parquet file.

    Raises:
        InputError: one of the nine has a type from which the contract's cannot be read.
    """
    with pq.ParquetFile(path) as file:
        schema = _frame(file.schema_arrow.empty_table()).schema
    for name in set(COLUMNS) & set(schema):
        if not _fits(schema[name], EVENT_SCHEMA[name]):
            raise InputError(
                f"{path} has the column {name} as {schema[name]}: "
                f"write it as {EVENT_SCHEMA[name]} or as text"
            )
    return tuple(schema)


def _raw_rows(batch: Any, first_row: int) -> RawRows:
    names = pl.col(pl.Categorical, pl.Enum).cast(pl.String)
    fields = without_empty_text(_frame(batch).with_columns(names))
    line = (pl.int_range(pl.len(), dtype=pl.Int64) + first_row).alias(LINE)
    return RawRows(fields.with_columns(line), pl.DataFrame(schema=REFUSED_TEXT_SCHEMA))


def _frame(arrow: Any) -> pl.DataFrame:
    frame = pl.from_arrow(arrow)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()


def _fits(given: pl.DataType, wanted: pl.DataType) -> bool:
    if isinstance(given, pl.String | pl.Categorical | pl.Enum | pl.Null):
        return True
    if isinstance(wanted, pl.Float64):
        return given.is_numeric()
    if isinstance(wanted, pl.Datetime):
        return isinstance(given, pl.Datetime)
    return wanted.is_integer() and given.is_integer()
