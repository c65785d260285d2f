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

from cartwise.data.lake import read_day
from cartwise.data.log import Log
from cartwise.data.passes import division_for
from cartwise.errors import InputError
from cartwise.events import COLUMNS
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.packed import Packing
from cartwise.features.replay import Replay
from cartwise.features.table import States
from cartwise.progress import SILENT, Progress
from cartwise.store.protocol import Resumption, Store
from cartwise.store.protocol import States as PackedStates
from cartwise.streaming.arrivals import Arrivals
from cartwise.streaming.partition import Partition
from cartwise.streaming.publishing import Published
from cartwise.streaming.replayer import events_of
from cartwise.wire import event_id

CHUNK_STATES: Final = 20_000


@dataclass(frozen=True)
class MaterializeReport:
    """What was loaded: states, the events that they hold, and offsets by partition."""

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
        arrivals: what the days were published from; without, the stream begins at the first offset.
        store: what is filled; it cannot be read until it is complete.
        horizon_seconds: how long the stream remembers events, as ``cartwise stream`` is told.
        memory_bytes: what the states of users may take at a time.
        progress: told how far the work is.

    Raises:
        InputError: the lake cannot be used, or changed meanwhile.
        StoreUnavailable: the store does not answer.
    """
    if arrivals is None:
        log = Log.read(lake)
        states = store.load(_states(log, memory_bytes, progress), {})
        return MaterializeReport(states, sum(log.events.values()), {})
    published = _complete(arrivals)
    log = Log.read(lake)
    sources = _resumptions(arrivals, published, horizon_seconds, progress)
    chunks = _unless_published(_states(log, memory_bytes, progress), arrivals, published)
    states = store.load(chunks, sources)
    return MaterializeReport(states, sum(log.events.values()), dict(published.complete))


def _unless_published(
    states: Iterator[PackedStates], arrivals: Arrivals, before: Published
) -> Iterator[PackedStates]:
    """The states, unless the lake is published into meanwhile: the load is then given up."""
    yield from states
    if Published.read(arrivals) != before:
        raise InputError(
            f"{arrivals.place} was published meanwhile: run 'cartwise materialize' again"
        )


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
        with progress.task("replay", sum(log.events.values()), "events") as advance:
            for day in log.days:
                replay.forget(int(datetime.combine(day, time(), UTC).timestamp()))
                events = read_day(log.lake, day, replay.columns)
                replay.values(events, np.empty(0, dtype=np.int64))
                advance(events.height)
        with progress.task("load", None, "states") as advance:
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


def _resumptions(
    arrivals: Arrivals, published: Published, horizon_seconds: int, progress: Progress
) -> dict[str, Resumption]:
    """What a worker would know that had followed all that is published."""
    known: dict[str, Resumption] = {}
    ranges = arrivals.ranges()
    if missing := published.complete.keys() - ranges.keys():
        raise InputError(
            f"{arrivals.place} has no files of {min(missing)} any more, from which its days were "
            "published: restore them"
        )
    with progress.task("arrivals", None, "events") as advance:
        for source, end in published.complete.items():
            partition = Partition(source, Resumption(), horizon_seconds)
            for one in ranges[source]:
                frame = arrivals.read(one)
                offsets = frame["offset"].to_list()
                for offset, event in zip(offsets, events_of(frame.select(COLUMNS)), strict=True):
                    if partition.next_offset <= offset < end:
                        partition.judge(event_id(event), event.event_time)
                        partition.next_offset = offset + 1
                # Lets go of the ids that are out of the horizon by now.
                partition.advance()
                advance(frame.height)
            partition.next_offset = end
            known[source] = partition.resumption()
    return known
