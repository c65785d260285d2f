"""A lake at one moment: its days, how many events each has, and a digest of them all."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import polars as pl

from cartwise.data.lake import (
    count_events,
    day_path,
    require_day_as_written,
    scan_day,
    stored_days,
)
from cartwise.disk import readable
from cartwise.features.catalogue import SPECIFICATION


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
    """

    lake: Path
    events: Mapping[date, int]
    history: Mapping[date, str]
    first_second: int
    last_second: int

    @classmethod
    def read(cls, lake: Path) -> Self:
        """Look through a lake; raises InputError where there is none."""
        days = stored_days(lake)
        digests = {day: require_day_as_written(lake, day) for day in days}
        events = {day: count_events(lake, day) for day in days}
        return cls(
            lake,
            events,
            history_of(digests),
            _second(lake, days[0], pl.col("event_time").min()),
            _second(lake, days[-1], pl.col("event_time").max()),
        )

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


def _second(lake: Path, day: date, time: pl.Expr) -> int:
    with readable(day_path(lake, day)):
        return int(scan_day(lake, day).select(time.dt.epoch("s")).collect().item())
