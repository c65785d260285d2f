"""The lake walked once, from its first event to the last moment that is asked for."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.ahead import map_ahead
from cartwise.events import EVENT_SCHEMA, SECONDS_PER_DAY
from cartwise.feast.entity_rows import NO_EVENT
from cartwise.feast.errors import EntityRowsUnusable
from cartwise.feast.lakes import Lake
from cartwise.features.probes import ProbeWalk
from cartwise.features.replay import Rows, times_of

EPOCH: Final = date(1970, 1, 1)
ALWAYS_READ: Final = ("event_time", "event_type", "price")


class Due(NamedTuple):
    """Probes that are read within a day's events: their rows, and after how many events each;
    in order of the latter."""

    probes: Rows
    positions: Rows


def walk_lake(
    lake: Lake, walk: ProbeWalk, columns: Sequence[str], times: Rows, event_rows: Rows
) -> None:
    """Walk the events of a lake past all probes.

    Probe i stands at ``times[i]``, right after the event at ``event_rows[i]`` of its day's file, or
    after all events of its second where that is ``NO_EVENT``.

    Raises:
        InputError: there is no lake, or it is damaged.
        EntityRowsUnusable: a row's event is not at the row's time.
    """
    days = lake.days()
    places = _places(days, times)
    needed = days[: int(places.max()) + 1] if len(places) else []
    read = partial(lake.read, columns=[*ALWAYS_READ, *columns])
    for place, events in enumerate(map_ahead(read, needed, workers=1)):
        due = _due(events, np.flatnonzero(places == place), times, event_rows)
        walk.advance(events, *due)


def _places(days: Sequence[date], times: Rows) -> NDArray[np.int64]:
    """Of each probe the place of the last day that does not begin after it, 0 for none."""
    starts = np.array([(day - EPOCH).days * SECONDS_PER_DAY for day in days])
    return np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)


def _due(events: pl.DataFrame, probes: Rows, times: Rows, event_rows: Rows) -> Due:
    seconds = times_of(events)
    positions = np.searchsorted(seconds, times[probes], side="right")
    stands = event_rows[probes] != NO_EVENT
    rows = event_rows[probes[stands]]
    _check_events(seconds, rows, times[probes[stands]])
    positions[stands] = rows + 1
    order = np.argsort(positions, kind="stable")
    return Due(probes[order], positions[order])


def _check_events(seconds: Rows, rows: Rows, times: Rows) -> None:
    inside = (rows >= 0) & (rows < len(seconds))
    if inside.all() and (seconds[rows] == times).all():
        return
    wrong = int(np.flatnonzero(~inside | (seconds[np.where(inside, rows, 0)] != times))[0])
    raise EntityRowsUnusable(
        f"the lake has no event at row {rows[wrong]} of its day with the time {times[wrong]} (in "
        "seconds since 1970): 'event_row' is a place in the file of the timestamp's day"
    )


def seen_between(lake: Lake, key: Sequence[str], start: int, end: int) -> pl.DataFrame:
    """Everyone who had an event from ``start`` to ``end``, both included, and when the last was.

    Columns: those of ``key``, and time (Int64, seconds since the Unix epoch).
    """
    seen = pl.DataFrame(schema={**{name: EVENT_SCHEMA[name] for name in key}, "time": pl.Int64})
    for day in lake.days():
        opens = (day - EPOCH).days * SECONDS_PER_DAY
        if opens <= end and opens + SECONDS_PER_DAY > start:
            events = lake.read(day, columns=["event_time", *key])
            seconds = events.select(*key, time=pl.col("event_time").dt.epoch("s"))
            within = seconds.filter(pl.col("time").is_between(start, end)).drop_nulls(key)
            seen = _latest(pl.concat([seen, within]), key)
    return seen


def _latest(seen: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    latest = pl.col("time").max()
    if not key:
        return seen.select(latest).drop_nulls()
    return seen.group_by(key, maintain_order=True).agg(latest)
