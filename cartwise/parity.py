"""Whether vectors of a training set are those that every driver of the feature core gives.

Replay computes a sample of the test part anew, from the whole log; stream and request compute the
carts at the log's begin, where walking event by event is affordable.
"""

import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.data.day_files import day_file, read_carts
from cartwise.data.lake import read_day
from cartwise.data.log import Log
from cartwise.data.passes import Passes, division_for
from cartwise.disk import readable
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import Live, LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.model.manifest import REBUILD
from cartwise.progress import Progress

SAMPLE: Final = 2000
LIVE_EVENTS: Final = 20_000

# Streams add batches up, which moves the last bits of sums; vectors are float32.
_RELATIVE: Final = 1e-5
_ABSOLUTE: Final = 1e-6

Vectors = NDArray[np.float32]


class Parity(NamedTuple):
    """How many vectors a driver computed anew, and how many of them came out otherwise."""

    driver: str
    compared: int
    unequal: int


def check_replay(
    log: Log, training: Path, *, memory_bytes: int, seed: int, progress: Progress
) -> Parity:
    """Replay the whole log and compare a sample of the test part's vectors, to the bit."""
    sample = _sample(log, training, seed)
    wanted = {
        day: sample[day]["row"].to_numpy().astype(np.int64)
        if day in sample
        else np.empty(0, np.int64)
        for day in log.days
    }
    division = division_for(log.events, memory_bytes)
    steps = sum(log.events.values()) * len(division.shards())
    compared = unequal = 0
    with (
        tempfile.TemporaryDirectory(prefix="cartwise-") as scratch,
        progress.task("replay again", steps, "event") as advance,
    ):
        for day in Passes(log.lake, wanted, Path(scratch), division).run(advance):
            if day.date in sample:
                stored = _vectors(sample[day.date])
                same = stored.view(np.uint32) == day.vectors.view(np.uint32)
                compared += len(stored)
                unequal += int((~same.all(axis=1)).sum())
    return Parity("replay", compared, unequal)


def _sample(log: Log, training: Path, seed: int) -> Mapping[date, pl.DataFrame]:
    """Some carts of the test part, by day."""
    files = {day: training / day_file("test", day) for day in log.days}
    present = {day: file for day, file in files.items() if file.exists()}
    per_day = -(-SAMPLE // max(1, len(present)))
    with readable(training, REBUILD):
        days = {day: pl.read_parquet(file, glob=False) for day, file in present.items()}
    return {
        day: carts.sample(min(per_day, carts.height), seed=seed).sort("row")
        for day, carts in days.items()
    }


def check_live(log: Log, training: Path, *, events: int = LIVE_EVENTS) -> list[Parity]:
    """Walk the log's first events as a stream, and before each cart ask for it as a request."""
    live, states = Live(SPECIFICATION), dict[bytes, bytes]()
    asked, streamed, stored = [], [], []
    for before, cart, truth in _carts(log, training, events):
        _stream(live, states, before)
        asked.append(live.vector(cart, [states.get(key) for key in live.keys(cart)]))
        streamed.append(_stream(live, states, [cart])[0])
        stored.append(truth)
    return [_close("request", asked, stored), _close("stream", streamed, stored)]


def _close(driver: str, found: list[Vectors], stored: list[Vectors]) -> Parity:
    if not found:
        return Parity(driver, 0, 0)
    close = np.isclose(found, stored, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True)
    return Parity(driver, len(found), int((~close.all(axis=1)).sum()))


def _stream(live: Live, states: dict[bytes, bytes], events: list[LiveEvent]) -> Vectors:
    """Walk a batch, merge its deltas into ``states``; vectors of its carts (carts, features)."""
    if not events:
        return np.empty((0, len(SPECIFICATION.vector)), np.float32)
    batch = LiveBatch(live.packing, events)
    olds = [states.get(key) for key in batch.keys]
    walked = batch.walk(olds)
    merged = live.packing.merge(batch.keys, olds, walked.deltas)
    states.update(zip(batch.keys, merged, strict=True))
    return walked.vectors


def _carts(
    log: Log, training: Path, most: int
) -> Iterator[tuple[list[LiveEvent], LiveEvent, Vectors]]:
    """Carts among the log's first events: the events since the one before, the cart, its vector."""
    walked, since = 0, list[LiveEvent]()
    for day in log.days:
        events = list(_live_events(read_day(log.lake, day).head(most - walked)))
        carts = read_carts(training, day)
        stored = dict(zip(carts["row"].to_list(), _vectors(carts), strict=True))
        for row, event in enumerate(events):
            if row in stored:
                yield since, event, stored[row]
                since = []
            else:
                since.append(event)
        walked += len(events)
        if walked >= most:
            return


def _live_events(events: pl.DataFrame) -> Iterator[LiveEvent]:
    rows = events.select(
        pl.col("event_time").dt.epoch("s").alias("time"),
        pl.col("event_type").to_physical().cast(pl.Int64).alias("kind"),
        *LiveEvent._fields[2:],
    )
    return (LiveEvent(*row) for row in rows.iter_rows())


def _vectors(carts: pl.DataFrame) -> Vectors:
    return np.ascontiguousarray(carts.select(SPECIFICATION.vector).to_numpy(), np.float32)
