"""The replay of a lake, day by day, in as many passes as it takes to stay within memory.

Most of the memory goes to states of users and sessions. So these are split into shards and each
shard is one pass over the log; only the first shard keeps the states of everything else.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from cartwise.ahead import map_ahead
from cartwise.data.lake import read_day
from cartwise.events import COLUMNS
from cartwise.features import checkpoint
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.checkpoint import Checkpoint
from cartwise.features.replay import (
    SHARDED_BY,
    Replay,
    Rows,
    Shard,
    Values,
    complete,
    sharded_columns,
)
from cartwise.features.table import States
from cartwise.progress import Advance

BYTES_PER_EVENT: Final = 180
"""What the states of users and sessions take, with their keys and spare room: measured on four
weeks of the simulated shop, see docs/performance.md."""


def shards_for(events: int, memory_bytes: int) -> int:
    """How many shards keep the states of so many events within ``memory_bytes``."""
    return max(1, math.ceil(events * BYTES_PER_EVENT / memory_bytes))


def _columns(shard: Shard) -> list[str]:
    """What a pass reads: only the first one hands on all columns of the carts."""
    return [name for name in COLUMNS if shard.index == 0 or name != "category_code"]


class Day(NamedTuple):
    """A day's wanted rows: the events themselves, and their vectors (rows, features)."""

    date: date
    carts: pl.DataFrame
    vectors: Values


@dataclass(frozen=True)
class Passes:
    """A replay over some days of a lake.

    Attributes:
        lake: the folder of events.
        wanted: rows to read the vectors of, by day; every day of it is replayed.
        scratch: an empty folder for what one pass leaves to the last.
        shards: number of passes.
        before: folder of the states to start from, None for none.
        after: folder to write the states at the end to, None to forget them.
    """

    lake: Path
    wanted: Mapping[date, Rows]
    scratch: Path
    shards: int = 1
    before: Path | None = None
    after: Path | None = None

    def run(self, advance: Advance) -> Iterator[Day]:
        """Yield every day with its vectors; ``advance`` is told of events, once for each pass."""
        for index in range(1, self.shards):
            for day, carts, values in self._walk(Shard(index, self.shards), advance):
                self._leave(index, day, carts, values)
        for day, carts, values in self._walk(Shard(0, self.shards), advance):
            for index in range(1, self.shards):
                self._fetch(index, day, carts, values)
            yield Day(day, carts, complete(SPECIFICATION, carts, values))

    def _walk(self, shard: Shard, advance: Advance) -> Iterator[tuple[date, pl.DataFrame, Values]]:
        replay = Replay(SPECIFICATION, shard, self._load(shard))
        read = partial(read_day, self.lake, columns=_columns(shard))
        days = map_ahead(read, self.wanted, workers=1)
        for (day, rows), events in zip(self.wanted.items(), days, strict=True):
            replay.forget(int(datetime.combine(day, time(), UTC).timestamp()))
            values = replay.values(events, rows)
            advance(events.height)
            yield day, events[rows], values
        if self.after is not None:
            checkpoint.save(self.after, SPECIFICATION, shard, replay.snapshot())

    def _load(self, shard: Shard) -> dict[str, States] | None:
        head = Checkpoint.read(self.before) if self.before else None
        return head.load(self.before, SPECIFICATION, shard) if head and self.before else None

    def _leave(self, index: int, day: date, carts: pl.DataFrame, values: Values) -> None:
        for by, places in self._places(index, carts):
            np.save(self._fragment(index, day, by), values[places])

    def _fetch(self, index: int, day: date, carts: pl.DataFrame, values: Values) -> None:
        for by, places in self._places(index, carts):
            fragment = self._fragment(index, day, by)
            values[places] = np.load(fragment, allow_pickle=False)
            fragment.unlink()

    def _places(self, index: int, carts: pl.DataFrame) -> Iterator[tuple[str, tuple[Rows, ...]]]:
        """The values of carts that a shard fills, by what it is split by."""
        for by in SHARDED_BY:
            ours = np.flatnonzero(Shard(index, self.shards).mask(carts[by]))
            yield by, np.ix_(ours, sharded_columns(SPECIFICATION, by))

    def _fragment(self, index: int, day: date, by: str) -> Path:
        return self.scratch / f"{day.isoformat()}-{by}-{index}.npy"
