"""Entity rows: who is asked for, and as of when; any frame that Feast's users give, checked."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from feast.errors import FeastEntityDFMissingColumnsError
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

from cartwise.events import EVENT_SCHEMA
from cartwise.feast.errors import EntityRowsUnusable, NoPointInTime
from cartwise.features.replay import Rows

EVENT_ROW: Final = "event_row"
"""Optional column: the place, in the lake's file of its day, of the event that a row stands at. It
is read right after this event; without it, after all events of its second."""

NO_EVENT: Final = -1

_EXACT_FLOATS: Final = 2**53
_TICKS_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class EntityRows:
    """The rows as they were given, and the moments at which they stand.

    Attributes:
        table: shape (rows, columns), what the features are added to.
        times: seconds since the Unix epoch; what is below a second is cut off.
        event_rows: places of events in their days, ``NO_EVENT`` for none.
    """

    table: pa.Table
    times: Rows
    event_rows: Rows

    @classmethod
    def of(cls, frame: pd.DataFrame, join_keys: Collection[str]) -> "EntityRows":
        """Check a frame of entity rows.

        Raises:
            FeastEntityDFMissingColumnsError: a join key is missing.
            EntityTimestampInferenceException: no column can be the timestamp.
            NoPointInTime: timestamps without a time zone, or missing ones.
            EntityRowsUnusable: a column holds something else than its name says.
        """
        timestamp = infer_event_timestamp_from_entity_df(dict(frame.dtypes))
        expected = {*join_keys, timestamp}
        if missing := expected.difference(frame.columns):
            raise FeastEntityDFMissingColumnsError(expected, missing)
        table = _to_arrow(frame)
        return cls(table, _times(table, timestamp), _event_rows(table))

    def keys(self, names: Iterable[str], renamed: Mapping[str, str]) -> pl.DataFrame:
        """The log's key columns, with its types; ``renamed`` says what a column is called here."""
        columns = ((name, renamed.get(name, name)) for name in names)
        return pl.DataFrame([self._key(name, here) for name, here in columns])

    def _key(self, name: str, here: str) -> pl.Series:
        column = pl.Series(name, pl.from_arrow(self.table[here]))
        _refuse_rounded(column, here)
        try:
            typed = column.cast(EVENT_SCHEMA[name])
            # An empty text is none, as in the log.
            return typed.replace("", None) if typed.dtype == pl.String else typed
        except pl.exceptions.PolarsError as error:
            raise EntityRowsUnusable(
                f"the entity rows' column '{here}' cannot be read as {EVENT_SCHEMA[name]}, which "
                f"the log's '{name}' is: {str(error).splitlines()[0]}"
            ) from error


def _to_arrow(frame: pd.DataFrame) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        raise EntityRowsUnusable(f"the entity rows hold mixed types: {error}") from error


def _times(table: pa.Table, name: str) -> Rows:
    column = table[name]
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise NoPointInTime(
            f"the entity rows' column '{name}' holds {column.type}, not times with a time zone: "
            "say which moment is meant, as pd.to_datetime(..., utc=True) does"
        )
    if column.null_count:
        raise NoPointInTime(f"the entity rows' column '{name}' lacks {column.null_count} times")
    ticks = column.cast(pa.int64()).to_numpy()
    seconds: Rows = ticks // _TICKS_PER_SECOND[column.type.unit]
    return seconds


def _refuse_rounded(column: pl.Series, here: str) -> None:
    """Numbers with a point cannot hold every id: pandas makes them of integers beside nulls."""
    if column.dtype.is_float() and (column.abs() > _EXACT_FLOATS).any():
        raise EntityRowsUnusable(
            f"the entity rows' column '{here}' holds floating-point numbers, in which ids as large "
            f"as these are rounded: use the type Int64, which may hold missing values, too"
        )


def _event_rows(table: pa.Table) -> Rows:
    if EVENT_ROW not in table.column_names:
        return np.full(table.num_rows, NO_EVENT)
    column = pl.Series(EVENT_ROW, pl.from_arrow(table[EVENT_ROW]))
    try:
        return column.cast(pl.Int64).fill_null(NO_EVENT).to_numpy()
    except pl.exceptions.PolarsError as error:
        raise EntityRowsUnusable(f"the entity rows' column '{EVENT_ROW}': {error}") from error
