"""Parquet files of events, batch by batch, as raw rows."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cartwise.data.contract import LINE
from cartwise.data.file_signatures import require_columns
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
_BATCH_BYTES: Final = 2**24
_BUFFER_BYTES: Final = 2**20

_TEXTS: Final = (pa.string(), pa.large_string(), pa.string_view())
_SHARING: Final = {"PLAIN", "PLAIN_DICTIONARY", "RLE_DICTIONARY", "RLE", "BIT_PACKED"}


def batches(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the nine columns in Arrow batches of bounded size, each with its first row's number.

    Rows are numbered from 1.
    """
    first_row = 1
    with pq.ParquetFile(path) as file:
        rows, names = _rows_at_a_time(file.metadata), _names_of_shared_texts(file)
    # Buffering ahead would hold a whole row group, however large somebody made it. A long text that
    # a million rows share stays one until so few of them are taken that they may each have it.
    with pq.ParquetFile(
        path, pre_buffer=False, buffer_size=_BUFFER_BYTES, read_dictionary=names
    ) as file:
        for batch in file.iter_batches(rows, columns=list(COLUMNS)):
            for part in _parts(batch):
                yield first_row, part
                first_row += part.num_rows


def _rows_at_a_time(metadata: pq.FileMetaData) -> int:
    """How many rows take as much memory as a batch may, going by the widest rows of a group."""
    groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
    widest = max((_bytes_of(group) // max(1, group.num_rows) for group in groups), default=0)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, widest)))


def _bytes_of(group: pq.RowGroupMetaData) -> int:
    columns = map(group.column, range(group.num_columns))
    return sum(one.total_uncompressed_size for one in columns if one.path_in_schema in COLUMNS)


def _names_of_shared_texts(file: pq.ParquetFile) -> list[str]:
    """The columns of texts that lie apart from the rows that have them."""
    encodings: defaultdict[str, set[str]] = defaultdict(set)
    for place in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(place)
        for column in map(group.column, range(group.num_columns)):
            encodings[column.path_in_schema].update(column.encodings)
    # Arrow makes dictionaries of no other encodings; those of levels are named among them.
    return [
        name
        for name in COLUMNS
        if file.schema_arrow.field(name).type in _TEXTS and encodings[name] <= _SHARING
    ]


def _parts(batch: Any) -> Iterator[Any]:
    """A batch, or parts of it whose texts are of bounded size once every row has its own."""
    texts = [column for column in batch.columns if pa.types.is_dictionary(column.type)]
    lengths = [pc.binary_length(text.dictionary).take(text.indices) for text in texts]
    sizes = sum(np.asarray(length.fill_null(0), np.int64) for length in lengths)
    places = np.cumsum(sizes) // _BATCH_BYTES
    starts = [0, *(np.flatnonzero(np.diff(places)) + 1), batch.num_rows]
    for start, end in pairwise(starts):
        yield batch.slice(start, end - start)


def read_batch(batch: Any, first_row: int) -> RawRows:
    """Turn an Arrow batch of the nine columns into rows, numbered from ``first_row``."""
    fields = without_empty_text(_frame(batch))
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
        schema = file.schema_arrow
    require_columns(schema.names, path)
    given = [schema.field(name) for name in COLUMNS]
    types = _frame(pa.schema(given).empty_table()).schema
    for field in given:
        wanted = EVENT_SCHEMA[field.name]
        if not _fits(types[field.name], wanted):
            raise InputError(
                f"{path} has the column {field.name} as {field.type}: "
                f"write it as {wanted} or as text"
            )
    return tuple(schema.names)


def _joined(schema: pl.Schema) -> pl.Expr:
    return pl.concat_str(as_texts(schema), separator=",")


def _frame(arrow: Any) -> pl.DataFrame:
    fields = [field.with_type(_known_to_polars(field.type)) for field in arrow.schema]
    frame = pl.from_arrow(arrow.cast(pa.schema(fields)))
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()


def _known_to_polars(given: Any) -> Any:
    """The same moments in UTC, whatever the zone; decimals too wide for Polars as floats; texts
    as such, however they are kept."""
    if pa.types.is_dictionary(given):
        return given.value_type
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
