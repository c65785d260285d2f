"""The states of a lake, loaded into a store with the offsets up to which the lake is complete.

The stream goes on from there, without a gap or an overlap: it is told how far each partition is in
the states, and which events it has to know again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from itertools import compress
from pathlib import Path
from typing import Final

import numpy as np

from cartwise.data.lake import read_day, read_rows
from cartwise.data.log import Log
from cartwise.data.passes import division_for
from cartwise.errors import InputError
from cartwise.events import COLUMNS
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.packed import Packing
from cartwise.features.replay import Replay
from cartwise.features.table import States
from cartwise.progress import SILENT, Progress
from cartwise.store.protocol import Position, Resumption, Store
from cartwise.store.protocol import States as PackedStates
from cartwise.streaming.arrivals import Arrivals
from cartwise.streaming.local import day_source
from cartwise.streaming.partition import Partition
from cartwise.streaming.publishing import Published
from cartwise.streaming.recollection import Recollection
from cartwise.streaming.rows import events_of
from cartwise.wire import event_id

CHUNK_STATES: Final = 20_000


@dataclass(frozen=True)
class MaterializeReport:
    """What was loaded: states, the events that they hold, and offsets by partition of a topic."""

    states: int
    events: int
    offsets: dict[str, int]


def materialize(
    lake: Path,
    arrivals: Arrivals | None,
    store: Store,
    *,
    horizon_seconds: int,
    memory_bytes: int,
    progress: Progress = SILENT,
) -> MaterializeReport:
    """Replace what a store holds by the states of a lake.

    Args:
        lake: the days of events.
        arrivals: what the days were published from. Without, the store knows no offsets of a
            topic, which would be followed from its begin, but has followed the days themselves.
        store: what is filled; it cannot be read until it is complete.
        horizon_seconds: how long the stream remembers events, as ``cartwise stream`` is told.
        memory_bytes: what the states of users may take at a time.
        progress: told how far the work is.

    Raises:
        InputError: the lake cannot be used, or changed meanwhile.
        StoreUnavailable: the store does not answer.
    """
    published = _complete(arrivals) if arrivals else Published()
    log = Log.read(lake)
    if arrivals:
        known = Recollection.read(arrivals, horizon_seconds)
        sources = known.to(published.complete, arrivals, progress).sources
    else:
        sources = _followed(log, horizon_seconds)

    chunks = _states(log, memory_bytes, progress)
    if arrivals:
        chunks = _if_nothing_arrives(arrivals, published, chunks)
    states = store.load(_held(log, chunks), sources)
    return MaterializeReport(states, sum(log.events.values()), dict(published.complete))


def _held(log: Log, states: Iterator[PackedStates]) -> Iterator[PackedStates]:
    """The states, unless their events change meanwhile: the load is then given up."""
    with log.held():
        yield from states


def _if_nothing_arrives(
    arrivals: Arrivals, published: Published, states: Iterator[PackedStates]
) -> Iterator[PackedStates]:
    """The states, unless more is published meanwhile: the load is then given up."""
    yield from states
    if Published.read(arrivals) != published:
        raise InputError(
            f"{arrivals.place} was added to meanwhile: run 'cartwise materialize' again"
        )


def _followed(log: Log, horizon_seconds: int) -> dict[str, Resumption]:
    """What a worker has to know that is to go on after each day's last event: it alone."""
    known: dict[str, Resumption] = {}
    for day, rows in log.events.items():
        before = Resumption(Position(rows - 1, 0, rows - 1))
        partition = Partition(day_source(day), before, horizon_seconds)
        [last] = events_of(read_rows(log.lake, day, COLUMNS, rows - 1, 1))
        partition.judge(event_id(last), last.event_time)
        partition.next_offset = rows
        known[day_source(day)] = partition.resumption()
    return known


def _complete(arrivals: Arrivals) -> Published:
    published = Published.read(arrivals)
    if published.under_way:
        raise InputError(
            f"{arrivals.place} is being published, or that was interrupted: "
            "run 'cartwise archive --drain', then this again"
        )
    return published


def _states(log: Log, memory_bytes: int, progress: Progress) -> Iterator[PackedStates]:
    """The packed states at the log's end, some at a time."""
    for shard in division_for(log.events, memory_bytes).shards():
        replay = Replay(SPECIFICATION, shard)
        with progress.task("replay", sum(log.events.values()), "event") as advance:
            for day in log.days:
                replay.forget(int(datetime.combine(day, time(), UTC).timestamp()))
                events = read_day(log.lake, day, replay.columns)
                replay.values(events, np.empty(0, dtype=np.int64))
                advance(events.height)
        with progress.task("load", None, "state") as advance:
            for some in _packed(replay, log.last_second):
                yield some
                advance(len(some))


def _packed(replay: Replay, moment: int) -> Iterator[PackedStates]:
    """The states of which something can be read at ``moment`` or later."""
    packing = Packing(SPECIFICATION)
    places = {entity.name: place for place, entity in enumerate(SPECIFICATION.entities)}
    for entity, some in replay.whole():
        for start in range(0, len(some.keys), CHUNK_STATES):
            rows = slice(start, start + CHUNK_STATES)
            chunk = States(some.keys[rows], some.states[rows])
            keys, states = packing.states(places[entity.name], chunk)
            alive = packing.expiries(keys, states) >= moment
            yield list(compress(zip(keys, states, strict=True), alive))
