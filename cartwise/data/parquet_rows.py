"""Parquet files of events, batch by batch, as raw rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cartwise.data.contract import LINE
from cartwise.data.csv_blocks import require_columns
from cartwise.data.raw_rows import (
    REFUSED_TEXT_SCHEMA,
    TEXT,
    RawRows,
    as_texts,
    without_empty_text,
)
from cartwise.errors import InputError
from cartwise.events import COLUMNS, EVENT_SCHEMA

_BATCH_ROWS: Final = 2**16
_BUFFER_BYTES: Final = 2**20


def batches(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the nine columns in Arrow batches of bounded size, each with its first row's number.

    Rows are numbered from 1.
    """
    first_row = 1
    # Buffering ahead would hold a whole row group, however large somebody made it.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(COLUMNS)):
            yield first_row, batch
            first_row += batch.num_rows


def read_batch(batch: Any, first_row: int) -> RawRows:
    """Turn an Arrow batch of the nine columns into rows, numbered from ``first_row``."""
    names = pl.col(pl.Categorical, pl.Enum).cast(pl.String)
    fields = without_empty_text(_frame(batch).with_columns(names))
    line = pl.int_range(first_row, first_row + pl.len(), dtype=pl.Int64).alias(LINE)
    rows = fields.with_columns(line)
    malformed = pl.DataFrame(schema=REFUSED_TEXT_SCHEMA)
    return RawRows(rows, malformed, lambda: rows.select(LINE, _joined(rows.schema).alias(TEXT)))


def column_names(path: Path) -> tuple[str, ...]:
    """The columns of a Parquet file.

    Raises:
        InputError: one of the nine is not there, or has a type from which the contract's cannot be
            read; or a name is repeated.
    """
    with pq.ParquetFile(path) as file:
        require_columns(file.schema_arrow.names, path)
        schema = _frame(file.schema_arrow.empty_table()).schema
    for name in COLUMNS:
        if not _fits(schema[name], EVENT_SCHEMA[name]):
            raise InputError(
                f"{path} has the column {name} as {schema[name]}: "
                f"write it as {EVENT_SCHEMA[name]} or as text"
            )
    return tuple(schema)


def _joined(schema: pl.Schema) -> pl.Expr:
    return pl.concat_str(as_texts(schema), separator=",")


def _frame(arrow: Any) -> pl.DataFrame:
    fields = [field.with_type(_known_to_polars(field.type)) for field in arrow.schema]
    frame = pl.from_arrow(arrow.cast(pa.schema(fields)))
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()


def _known_to_polars(given: Any) -> Any:
    """The same moments in UTC, whatever the zone; decimals too wide for Polars as floats."""
    if pa.types.is_timestamp(given) and given.tz is not None:
        return pa.timestamp(given.unit, "UTC")
    return pa.float64() if pa.types.is_decimal256(given) else given


def _fits(given: pl.DataType, wanted: pl.DataType) -> bool:
    if isinstance(given, pl.String | pl.Categorical | pl.Enum | pl.Null):
        return True
    if isinstance(wanted, pl.Float64):
        return given.is_numeric()
    if isinstance(wanted, pl.Datetime):
        return isinstance(given, pl.Datetime)
    return wanted.is_integer() and given.is_integer()
