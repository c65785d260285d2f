"""The lake: one Parquet file of events for each day, rows in log order.

Layout: ``<lake>/event_date=YYYY-MM-DD/events.parquet``. A file's bytes follow from its rows alone,
not from how they arrived.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq
from polars.io.plugins import register_io_source

from cartwise import folders
from cartwise.checksums import SUMS, read_sums, require_as_written
from cartwise.data import quarantine
from cartwise.data.publication import REPORT, STAGING, require_settled
from cartwise.disk import readable
from cartwise.errors import InputError
from cartwise.events import COLUMNS, EVENT_SCHEMA

_DAY: Final = "event_date="
_EVENTS: Final = "events.parquet"
OUTAGES: Final = "outages.toml"
_MAY_STAY: Final = (OUTAGES, quarantine.FOLDER)
"""What a person may leave of a lake that is made anew."""
_ROW_GROUP_ROWS: Final = 2**18
_ROW_GROUP_BYTES: Final = 2**28
_SAME_EVENT_HINT: Final = ("event_time", "user_id", "product_id")
_INGEST_ALL: Final = (
    "ingest all files of the lake again in one call "
    "('cartwise archive --drain' for that of a stream)"
)
_REMEDY: Final = f"delete {_EVENTS}, and nothing else, then {_INGEST_ALL}"


def day_path(lake: Path, day: date) -> Path:
    """Where the events of a day lie."""
    return lake / f"{_DAY}{day.isoformat()}" / _EVENTS


def stored_days(lake: Path) -> list[date]:
    """The days that a lake has events of, in order.

    Raises:
        InputError: the folder is no lake, an empty one, or a half-written one; a day is gone, or
            may not be read.
    """
    with readable(lake):
        if STAGING in _names_in(lake):
            require_settled(lake)
        # Not by a pattern: that passes over a day that may not be read.
        days = [name for name in _names_in(lake) if name.startswith(_DAY)]
        held = [name for name in days if (lake / name / _EVENTS).exists()]
    if gone := gone_files(lake):
        raise InputError(
            f"{gone[0]} is gone: {_INGEST_ALL}; or, to do without that day, delete {gone[0].parent}"
        )
    return days_named(held, lake)


def require_free(folder: Path) -> None:
    """Raise PlaceTaken where a folder holds other things and no lake; hidden ones do not count."""
    with readable(folder):
        folders.require_new_or_begun(folder, _is_ours, "a lake", _MAY_STAY)


def _is_ours(name: str) -> bool:
    return name.startswith(_DAY) or name in (REPORT, STAGING)


def _names_in(lake: Path) -> list[str]:
    return [entry.name for entry in lake.iterdir()] if lake.is_dir() else []


def gone_files(lake: Path) -> list[Path]:
    """The files of days that are not there any more, but have left their checksums."""
    files = (sums.with_name(_EVENTS) for sums in lake.glob(f"{_DAY}*/{SUMS}"))
    return sorted(file for file in files if not file.exists())


def days_named(names: Iterable[str], lake: object) -> list[date]:
    """The days that folders of a lake are named for, in order; other folders are left out.

    Raises:
        InputError: one names no day, or none is there.
    """
    ours = (name.removeprefix(_DAY) for name in names if name.startswith(_DAY))
    try:
        days = sorted(map(date.fromisoformat, ours))
    except ValueError as error:
        raise InputError(f"{lake} holds a folder that names no day: {error}") from error
    if not days:
        raise InputError(
            f"{lake} holds no events: run 'cartwise ingest' into it, or check the path"
        )
    return days


def read_day(lake: Path, day: date, columns: Sequence[str] = COLUMNS) -> pl.DataFrame:
    """The events of a day in log order, or some columns of them.

    Raises:
        InputError: the file is missing, damaged, or not one of events.
    """
    files = stored_file(lake, day)
    if not files:
        raise InputError(f"{lake} holds no events of {day}: run 'cartwise ingest' again")
    with readable(files[0]):
        return pl.read_parquet(files[0], columns=list(columns), glob=False, hive_partitioning=False)


def read_rows(lake: Path, day: date, columns: Sequence[str], start: int, rows: int) -> pl.DataFrame:
    """Some columns of ``rows`` events of a day from ``start`` on.

    Raises:
        InputError: the file is damaged, or not one of events.
    """
    with scanned_day(lake, day) as events:
        return events.select(columns).slice(start, rows).collect()


def read_through(
    lake: Path, days: Sequence[date], columns: Sequence[str], start: int, rows: int
) -> pl.DataFrame:
    """Some columns of ``rows`` events in log order, from place ``start`` of the first day on.

    Several short days are read at half the cost of reading each.

    Raises:
        InputError: a file is damaged, or not one of events.
    """
    if len(days) == 1:
        return read_rows(lake, days[0], columns, start, rows)
    files = [day_path(lake, day) for day in days]
    try:
        events = pl.scan_parquet(files, glob=False, hive_partitioning=False)
        return events.select(columns).slice(start, rows).collect()
    except (OSError, pl.exceptions.PolarsError):
        # Each by itself, to name the one that is damaged.
        frames = [read_day(lake, day, columns) for day in days]
        return pl.concat(frames).slice(start, rows)


@contextmanager
def scanned_day(lake: Path, day: date) -> Iterator[pl.LazyFrame]:
    """The events of a day, of which no more is read than the block collects.

    Raises:
        InputError: the file is damaged, or not one of events.
    """
    path = day_path(lake, day)
    with readable(path):
        yield pl.scan_parquet(path, glob=False, hive_partitioning=False)


def stored_file(lake: Path, day: date) -> list[Path]:
    """The file of a day if the lake has one.

    Raises:
        InputError: the file is damaged, or not one of events.
    """
    path = day_path(lake, day)
    if not path.exists():
        return []
    _require_form(path)
    return [path]


def _require_form(path: Path) -> None:
    with readable(path):
        schema = pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema()
    if schema != EVENT_SCHEMA:
        raise InputError(f"{path} does not hold events in the lake's form: move it away")


def require_day_as_written(lake: Path, day: date) -> str:
    """The SHA-256 of a day's file; raises InputError where it is not as the ingest wrote it."""
    folder = day_path(lake, day).parent
    try:
        return require_as_written(folder, _EVENTS, read_sums(folder, _REMEDY), _REMEDY)
    except InputError:
        # Nothing is wrong if an ingest put another file there between the two looks.
        require_settled(lake)
        return require_as_written(folder, _EVENTS, read_sums(folder, _REMEDY), _REMEDY)


def count_events(lake: Path, day: date) -> int:
    """How many events a day has.

    Raises:
        InputError: its file is damaged, not one of events, or another day's.
    """
    file = day_path(lake, day)
    _require_form(file)
    with readable(file):
        metadata = pq.read_metadata(file)
        others = _days_of(metadata) - {day}
    if others:
        raise InputError(f"{file} holds events of another day, {min(others)}: {_REMEDY}")
    return int(metadata.num_rows)


def _days_of(metadata: pq.FileMetaData) -> set[date]:
    """The days of a file's first event and of its last, as far as it tells without being read."""
    names, groups = metadata.schema.names, metadata.num_row_groups
    if "event_time" not in names or not groups:
        return set()
    ends = [
        metadata.row_group(place).column(names.index("event_time")) for place in (0, groups - 1)
    ]
    known = [end.statistics for end in ends if end.is_stats_set and end.statistics.has_min_max]
    return {moment.date() for one in known for moment in (one.min, one.max)}


def in_log_order(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Join rows that are given in order of position and sort them by time, ties by position."""
    return pl.concat(frames).sort("event_time", maintain_order=True)


def without_duplicates(events: pl.DataFrame) -> pl.DataFrame:
    """Drop rows that equal an earlier one in all nine fields; the order stays."""
    # Comparing nine columns is slow, and three integers already rule out almost every row.
    hint = events.select(pl.struct(_SAME_EVENT_HINT).hash()).to_series()
    suspects = events.with_row_index("row").filter(hint.is_duplicated())
    repeated = suspects.filter(~pl.struct(COLUMNS).is_first_distinct())["row"]
    if repeated.is_empty():
        return events
    return events.filter(~pl.int_range(pl.len()).is_in(repeated.implode()))


def write_events(path: Path, frames: Iterator[pl.DataFrame]) -> None:
    """Write events, given in log order, to one file, with one frame in memory at a time."""
    first = next(frames, EVENT_SCHEMA.to_frame())

    def source(
        _columns: list[str] | None, _where: pl.Expr | None, _rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        yield first
        yield from frames

    path.parent.mkdir(parents=True, exist_ok=True)
    # Level 1 takes half the time of the default and is no larger: session ids do not compress.
    register_io_source(source, schema=EVENT_SCHEMA).sink_parquet(
        path, compression="zstd", compression_level=1, row_group_size=_row_group_rows(first)
    )


def _row_group_rows(events: pl.DataFrame) -> int:
    """How many rows to write at a time: fewer where their texts, each written out, are long."""
    row_bytes = events.estimated_size() / max(1, events.height)
    return int(max(1, min(_ROW_GROUP_ROWS, _ROW_GROUP_BYTES // max(1, row_bytes))))


def merged(files: Sequence[Path], day: date, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Yield the distinct events of a day's files in log order.

    Each file is in log order, and the files are given in order of position. A day of more than
    ``chunk_rows`` rows comes hour by hour: duplicates share their time, so none is missed.
    """
    hours = 1 if sum(map(row_count, files)) > chunk_rows else 24
    midnight = datetime.combine(day, time(), UTC)
    for hour in range(0, 24, hours):
        start = midnight + timedelta(hours=hour)
        span = [_between(file, start, start + timedelta(hours=hours)) for file in files]
        yield without_duplicates(in_log_order(span))


def row_count(file: Path) -> int:
    """How many rows a Parquet file holds; raises InputError where it is damaged."""
    with readable(file):
        return int(pq.read_metadata(file).num_rows)


def _between(file: Path, start: datetime, end: datetime) -> pl.DataFrame:
    in_span = pl.col("event_time").is_between(start, end, closed="left")
    with readable(file):
        return pl.scan_parquet(file, glob=False).filter(in_span).collect()
