"""Events on their way to the lake: parted by day, in memory up to a limit and in files beyond."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from cartwise.ahead import map_ahead
from cartwise.data.lake import (
    day_path,
    in_log_order,
    merged,
    require_day_as_written,
    row_count,
    stored_file,
    without_duplicates,
    write_events,
)

_CHUNK_BYTES: Final = 2**29
"""So much of events is held in memory at most, however few they are: some four million of a shop,
whose texts are short."""

_WRITERS: Final = 2
"""So many days are written at a time: each of them keeps one processor busy for the most part."""


class _Part(NamedTuple):
    """Events of a day, in order of position, on their way to a file."""

    day: date
    file: Path
    frames: list[pl.DataFrame]


class Spill:
    """Collects events in order of position and then yields one file for each day.

    A log in time order passes through each day once, so that a day's part is written when the
    log has left it, and is already the day's file. Any other order costs a merge of parts.

    Args:
        folder: where files are written while the ingest runs.
        chunk_rows: so many rows are held in memory at most, but for the last frame added.
    """

    def __init__(self, folder: Path, chunk_rows: int) -> None:
        self.duplicates = 0
        self._folder = folder
        self._chunk_rows = chunk_rows
        self._held_rows = self._held_bytes = 0
        self._held: dict[date, list[pl.DataFrame]] = {}
        self._parts: dict[date, list[Path]] = defaultdict(list)

    def add(self, events: pl.DataFrame) -> None:
        """Take the next events, in order of position."""
        for day, rows in _by_day(events):
            # Taken out and put back, the day is the last one: days left longest ago go first.
            self._held[day] = [*self._held.pop(day, []), rows]
        self._held_rows += events.height
        self._held_bytes += int(events.estimated_size())
        if self._held_rows > self._chunk_rows or self._held_bytes > _CHUNK_BYTES:
            self._write_until(min(self._chunk_rows, self._held_rows) // 2)

    def days(self) -> list[date]:
        """The days that the events fall on, in order."""
        self._write_until(0)
        return sorted(self._parts)

    def finish(self, day: date, lake: Path) -> Path | None:
        """The file of a day's events with those already in the lake; None if nothing is new."""
        if day_path(lake, day).exists():
            require_day_as_written(lake, day)
        known = stored_file(lake, day)
        files = [*known, *self._parts.pop(day)]
        if len(files) == 1:
            return files[0]
        whole = self._folder / f"{day}.parquet"
        write_events(whole, merged(files, day, self._chunk_rows))
        self.duplicates += sum(map(row_count, files)) - row_count(whole)
        if known and row_count(whole) == row_count(known[0]):
            return None
        return whole

    def _write_until(self, rows: int) -> None:
        for day, part, height, written in map_ahead(_write, self._leaving(rows), _WRITERS):
            self._parts[day].append(part)
            self.duplicates += height - written

    def _leaving(self, rows: int) -> Iterator[_Part]:
        """Take out days, those left longest ago first, until but so many rows are held."""
        while self._held_rows > rows:
            day = next(iter(self._held))
            frames = self._held.pop(day)
            self._held_rows -= sum(frame.height for frame in frames)
            self._held_bytes -= sum(int(frame.estimated_size()) for frame in frames)
            yield _Part(day, self._folder / f"{day}-{len(self._parts[day])}.parquet", frames)


def _write(part: _Part) -> tuple[date, Path, int, int]:
    """Write a part; its day, its file, and how many rows came and were written."""
    events = in_log_order(part.frames)
    distinct = without_duplicates(events)
    write_events(part.file, iter([distinct]))
    return part.day, part.file, events.height, distinct.height


def _by_day(events: pl.DataFrame) -> Iterator[tuple[date, pl.DataFrame]]:
    days = events["event_time"].dt.date()
    if days.n_unique() == 1:
        yield days[0], events
        return
    for day in days.unique(maintain_order=True):
        yield day, events.filter(days == day)
