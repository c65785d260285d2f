"""The replay of a lake, day by day, in as many passes as it takes to stay within memory.

If all states do not fit, each pass keeps a shard of them, see :mod:`cartwise.features.shards`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from cartwise.ahead import map_ahead
from cartwise.data.lake import day_path, read_through, row_count
from cartwise.events import COLUMNS, SECONDS_PER_DAY
from cartwise.features import checkpoint
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.checkpoint import Checkpoint
from cartwise.features.replay import Prepared, Replay, Rows, Values, complete
from cartwise.features.shards import WHOLE, Division, Shard, session_seconds, sharded_columns
from cartwise.features.table import Parts
from cartwise.progress import Advance

USER_BYTES: Final = 100
SESSION_BYTES: Final = 95
"""What the states of users and sessions take per event, with their keys and spare room: measured
on four weeks of the simulated shop, see docs/performance.md."""

PIECE_ROWS: Final = 2**18
"""At most so many events are read at a time: a row group of the lake's files."""

FEW_ROWS: Final = 2**17
"""Short days are replayed together up to so many events: each batch costs some calls as well."""

_SPARE: Final = 1.25
"""Sessions are looked through for what to forget when they are so many times as many as before."""


def division_for(events: Mapping[date, int], memory_bytes: int) -> Division:
    """How to split the states of so many events by day to keep them within ``memory_bytes``."""
    users = USER_BYTES * sum(events.values())
    sessions = int(SESSION_BYTES * _SPARE * _most_alive(events))
    if users + sessions <= memory_bytes:
        return WHOLE
    return Division(math.ceil(sessions / memory_bytes), math.ceil(users / memory_bytes))


def _most_alive(events: Mapping[date, int]) -> int:
    """How many events, at most, are not older than the states of sessions live."""
    span = timedelta(days=1 + math.ceil(session_seconds(SPECIFICATION) / SECONDS_PER_DAY))
    return max(
        sum(count for day, count in events.items() if end - span < day <= end) for end in events
    )


class Day(NamedTuple):
    """A day's wanted rows: the events themselves, and their vectors (rows, features)."""

    date: date
    carts: pl.DataFrame
    vectors: Values


class _Span(NamedTuple):
    """Consecutive events of a day; ``wanted`` are rows of the span."""

    day: date
    start: int
    rows: int
    wanted: Rows
    is_last: bool


_Piece = list[_Span]
"""Spans that are replayed together and follow each other: one of a long day, or short days."""


@dataclass(frozen=True)
class Passes:
    """A replay over some days of a lake.

    Attributes:
        lake: the folder of events.
        wanted: rows to read the vectors of, by day; every day of it is replayed.
        scratch: an empty folder for what one pass leaves to the last.
        division: how the states are split over passes.
        before: folder of the states to start from, None for none.
        after: folder to write the states at the end to, None to forget them.
    """

    lake: Path
    wanted: Mapping[date, Rows]
    scratch: Path
    division: Division = WHOLE
    before: Path | None = None
    after: Path | None = None

    def run(self, advance: Advance) -> Iterator[Day]:
        """Yield every day with its vectors; ``advance`` is told of events, once for each pass."""
        return chain.from_iterable(self.batches(advance))

    def batches(self, advance: Advance) -> Iterator[list[Day]]:
        """:meth:`run`, with short days that were replayed together still together."""
        first, *others = self.division.shards()
        for shard in others:
            for day, carts, values in chain.from_iterable(self._walk(shard, advance)):
                self._leave(shard, day, carts, values)
        for days in self._walk(first, advance):
            for shard in others:
                for day, carts, values in days:
                    self._fetch(shard, day, carts, values)
            yield [Day(d, carts, complete(SPECIFICATION, carts, v)) for d, carts, v in days]

    def _walk(self, shard: Shard, advance: Advance) -> Iterator[list[Day]]:
        """Yield the days that end with each piece; derived values are left empty."""
        replay = Replay(SPECIFICATION, shard, self._load(shard))
        # Only the first pass hands on all columns of the carts.
        is_first = shard == self.division.shards()[0]
        columns = list(COLUMNS) if is_first else replay.columns
        read = partial(self._read, replay, columns)
        begun: list[tuple[pl.DataFrame, Values]] = []
        for piece, carts, prepared in map_ahead(read, self._pieces(), workers=1):
            if piece[0].start == 0:
                replay.forget(int(datetime.combine(piece[0].day, time(), UTC).timestamp()))
            values = replay.apply(prepared)
            ended = []
            for span, places in zip(piece, _places_of(piece), strict=True):
                begun.append((carts[places], values[places]))
                if span.is_last:
                    ended.append(_joined(span.day, begun))
                    begun = []
            advance(sum(span.rows for span in piece))
            yield ended
        if self.after is not None:
            checkpoint.save(self.after, SPECIFICATION, shard, replay.snapshot())

    def _pieces(self) -> Iterator[_Piece]:
        piece: _Piece = []
        rows = 0
        for span in self._spans():
            if piece and rows + span.rows > FEW_ROWS:
                yield piece
                piece, rows = [], 0
            piece.append(span)
            rows += span.rows
        if piece:
            yield piece

    def _spans(self) -> Iterator[_Span]:
        for day, wanted in self.wanted.items():
            height = row_count(day_path(self.lake, day))
            for start in range(0, height, PIECE_ROWS):
                end = min(start + PIECE_ROWS, height)
                first, past = np.searchsorted(wanted, (start, end))
                yield _Span(day, start, end - start, wanted[first:past] - start, end == height)

    def _read(
        self, replay: Replay, columns: list[str], piece: _Piece
    ) -> tuple[_Piece, pl.DataFrame, Prepared]:
        rows = [span.rows for span in piece]
        days = list(dict.fromkeys(span.day for span in piece))
        events = read_through(self.lake, days, columns, piece[0].start, sum(rows))
        starts = accumulate(rows[:-1], initial=0)
        wanted = np.concatenate([s.wanted + at for s, at in zip(piece, starts, strict=True)])
        return piece, events[wanted], replay.prepare(events, wanted)

    def _load(self, shard: Shard) -> dict[str, Parts] | None:
        head = Checkpoint.read(self.before) if self.before else None
        return head.load(self.before, SPECIFICATION, shard) if head and self.before else None

    def _leave(self, shard: Shard, day: date, carts: pl.DataFrame, values: Values) -> None:
        np.save(self._fragment(shard, day), values[_places(shard, carts)])

    def _fetch(self, shard: Shard, day: date, carts: pl.DataFrame, values: Values) -> None:
        fragment = self._fragment(shard, day)
        values[_places(shard, carts)] = np.load(fragment, allow_pickle=False)
        fragment.unlink()

    def _fragment(self, shard: Shard, day: date) -> Path:
        return self.scratch / f"{day.isoformat()}-{shard.name}.npy"


def _places_of(piece: _Piece) -> Iterator[slice]:
    """The places of each span's rows among those wanted of a piece."""
    ends = accumulate((len(span.wanted) for span in piece), initial=0)
    return (slice(first, past) for first, past in pairwise(ends))


def _joined(day: date, parts: list[tuple[pl.DataFrame, Values]]) -> Day:
    carts, values = zip(*parts, strict=True)
    return Day(day, pl.concat(carts), np.concatenate(values))


def _places(shard: Shard, carts: pl.DataFrame) -> tuple[Rows, ...]:
    """The values of carts that a shard fills."""
    by = str(shard.by)
    ours = np.flatnonzero(shard.mask(carts[by]))
    return np.ix_(ours, sharded_columns(SPECIFICATION, by))
