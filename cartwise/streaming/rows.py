"""Rows of the lake as events for the wire."""

from collections.abc import Iterator

import polars as pl

from cartwise.wire import Event


def events_of(frame: pl.DataFrame) -> Iterator[Event]:
    """Events of the lake as they are for the wire."""
    times = pl.col("event_time").dt.epoch("s")
    for row in frame.with_columns(times, pl.col("event_type").cast(pl.String)).iter_rows():
        yield Event(*row)
