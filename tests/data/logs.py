"""Small lakes for tests: generated logs written the way ingest writes them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from cartwise.data.lake import day_path, write_events
from tests.logs import frame
from tests.reference import Event


def write_lake(folder: Path, log: Sequence[Event]) -> Path:
    """Write events, given in log order, as a lake."""
    events = frame(log)
    for (day,), of_day in events.group_by(pl.col("event_time").dt.date(), maintain_order=True):
        write_events(day_path(folder, day), iter([of_day]))  # type: ignore[arg-type]
    return folder
