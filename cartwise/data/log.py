"""A lake at one moment: its days, how many events each has, and a digest of them all."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import polars as pl

from cartwise.data.lake import (
    count_events,
    day_path,
    require_day_as_written,
    scanned_day,
    stored_days,
)
from cartwise.disk import readable
from cartwise.errors import InputError
from cartwise.features.catalogue import SPECIFICATION

_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Log:
    """The events of a lake.

    Attributes:
        lake: the folder.
        events: number of events by day, in order of days; no day is without any.
        history: by day, a digest of the specification and of all events up to the day's end. Two
            logs with the same digest give the same vectors up to there.
        first_second: time of the first event, seconds since the Unix epoch.
        last_second: time of the last event.
        stamps: by day, what tells its file from any other that takes its place.
    """

    lake: Path
    events: Mapping[date, int]
    history: Mapping[date, str]
    first_second: int
    last_second: int
    stamps: Mapping[date, _Stamp]

    @classmethod
    def read(cls, lake: Path) -> Self:
        """Look through a lake; raises InputError where there is none."""
        stamps = _stamps(lake)
        days = list(stamps)
        digests = {day: require_day_as_written(lake, day) for day in days}
        events = {day: count_events(lake, day) for day in days}
        return cls(
            lake,
            events,
            history_of(digests),
            _second(lake, days[0], pl.col("event_time").min()),
            _second(lake, days[-1], pl.col("event_time").max()),
            stamps,
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block in which the lake is read again.

        Raises InputError at its end where an ingest changed a day of this log since it was read,
        also in place of what went wrong because of that.
        """
        try:
            yield
        except Exception:
            self._require_unchanged()
            raise
        self._require_unchanged()

    def _require_unchanged(self) -> None:
        # Days that have come since are none of this log's.
        stamps = _stamps(self.lake)
        if {day: stamps.get(day) for day in self.days} != self.stamps:
            raise InputError(f"an ingest changed '{self.lake}' meanwhile: run this again")

    @property
    def days(self) -> list[date]:
        """The days in order."""
        return list(self.events)

    @property
    def span_seconds(self) -> int:
        """Seconds from the first event to the last."""
        return self.last_second - self.first_second

    @property
    def version(self) -> str:
        """A name for these events: 16 hex digits."""
        return self.history[self.days[-1]][:16]


def history_of(digests: Mapping[date, str]) -> dict[date, str]:
    """:attr:`Log.history`, made of the SHA-256 of each day's file, in order of days."""
    history: dict[date, str] = {}
    before = SPECIFICATION.fingerprint
    for day, digest in digests.items():
        before = hashlib.sha256(f"{before} {day} {digest}".encode()).hexdigest()
        history[day] = before
    return history


def _stamps(lake: Path) -> dict[date, _Stamp]:
    stamps = {}
    for day in stored_days(lake):
        file = day_path(lake, day)
        with readable(file):
            status = file.stat()
        stamps[day] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return stamps


def _second(lake: Path, day: date, time: pl.Expr) -> int:
    with scanned_day(lake, day) as events:
        return int(events.select(time.dt.epoch("s")).collect().item())
