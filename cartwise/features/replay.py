"""Replay: the feature core walked over batches of the log, in log order, states carried over."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.ahead import map_ahead
from cartwise.features import kernel
from cartwise.features.keys import KeyColumn, KeyColumns
from cartwise.features.layout import plan_of
from cartwise.features.spec import Entity, Specification
from cartwise.features.table import States, StateTable
from cartwise.features.walk import apply_and_read, derive_all, in_shard, weigh_all, write_facts

SHARDED_BY = ("user_id", "user_session")
"""States whose key begins with one of these columns may be split over shards; others are few."""

THREADS = 2
_BATCH_ROWS = 65_536

Rows = NDArray[np.int64]

Values = NDArray[np.float32]
"""Shape (carts, values): facts, readings and derived values, in the specification's order."""


@dataclass(frozen=True)
class Shard:
    """One of ``count`` parts of the users, and of the sessions: those whose hash leaves ``index``.

    A user's sessions may be in other shards: one session may be of several users.
    """

    index: int = 0
    count: int = 1

    def mask(self, names: pl.Series) -> NDArray[np.bool_]:
        """Which rows belong to this shard, by their user or their session."""
        return self.mask_keys(KeyColumn.of(names))

    def mask_keys(self, names: KeyColumn) -> NDArray[np.bool_]:
        """Which rows belong to this shard, by their prepared user or session."""
        mask: NDArray[np.bool_] = in_shard(names.half, self.index, self.count)
        return mask


@dataclass(frozen=True)
class Batch:
    """Events as arrays; ``places[i]`` is the row of the output for event i, -1 for none, and
    ``powers[i]`` is what it weighs, by half-life."""

    columns: KeyColumns
    times: NDArray[np.int64]
    kinds: NDArray[np.int64]
    log_prices: NDArray[np.float64]
    powers: NDArray[np.float64]
    places: Rows

    def only(self, mask: NDArray[np.bool_]) -> "Batch":
        """The events that a mask chooses."""
        return Batch(
            self.columns.only(mask),
            self.times[mask],
            self.kinds[mask],
            self.log_prices[mask],
            self.powers[mask],
            self.places[mask],
        )


class Replay:
    """The states of one shard of a log, and how to take them further.

    With more than one shard, only the first keeps the states that are split over none.
    """

    def __init__(
        self,
        specification: Specification,
        shard: Shard = Shard(),
        states: dict[str, States] | None = None,
    ) -> None:
        self.specification = specification
        self.shard = shard
        self._plan = plan_of(specification)
        self._tables = {
            entity.name: StateTable(layout, self._plan.clock, (states or {}).get(entity.name))
            for entity, layout in zip(specification.entities, self._plan.entities, strict=True)
            if sharded_by(entity) or shard.index == 0
        }
        offsets = zip(specification.entities, self._plan.offsets, strict=True)
        ours = [(entity, offset) for entity, offset in offsets if entity.name in self._tables]
        self._key_columns = sorted({name for entity, _ in ours for name in entity.key})
        # Pairs are the most of the work: begun first, they keep no thread waiting at the end.
        self._by_effort = sorted(ours, key=lambda one: -len(one[0].key))
        self._pool = ThreadPoolExecutor(THREADS)

    def values(self, events: pl.DataFrame, wanted: Rows) -> Values:
        """Apply ``events``, in order, and read the values of the rows ``wanted``, each right after
        its event. Derived values are left empty, as are those of other shards."""
        out = np.full((len(wanted), self._plan.values), np.nan, dtype=np.float32)
        for batches in map_ahead(self._prepare, _cut(events, wanted), workers=1):
            self._walk(batches, out)
        return out

    def vectors(self, events: pl.DataFrame, wanted: Rows) -> Values:
        """Like :meth:`values`, complete, as the model's vectors: shape (wanted, features)."""
        out = self.values(events, wanted)
        return complete(self.specification, events[wanted], out)

    def forget(self, time: int) -> None:
        """Drop the states that nobody can see any more at ``time``."""
        for table in self._tables.values():
            table.forget(time)

    def snapshot(self) -> dict[str, States]:
        """The states by entity; views, valid until the next events."""
        return {name: table.snapshot() for name, table in self._tables.items()}

    def _prepare(self, cut: tuple[pl.DataFrame, Rows]) -> dict[str | None, Batch]:
        """All events, and those of our shard's users and sessions, by what they are split by."""
        events, wanted = cut
        everything = self._batch(events, wanted)
        if self.shard.count == 1:
            return dict.fromkeys((None, *SHARDED_BY), everything)
        columns = everything.columns
        masks = {name: self.shard.mask_keys(columns[name]) for name in SHARDED_BY}
        return {None: everything, **{name: everything.only(mask) for name, mask in masks.items()}}

    def _walk(self, batches: dict[str | None, Batch], out: Values) -> None:
        tasks = [
            partial(self._walk_entity, entity, offset, batches[sharded_by(entity)], out)
            for entity, offset in self._by_effort
        ]
        for done in [self._pool.submit(task) for task in tasks]:
            done.result()

    def _batch(self, events: pl.DataFrame, wanted: Rows) -> Batch:
        places = np.full(events.height, -1, dtype=np.int64)
        here = np.flatnonzero((wanted >= 0) & (wanted < events.height))
        places[wanted[here]] = here
        kinds = events["event_type"].to_physical().cast(pl.Int64).to_numpy()
        columns = KeyColumns.of(events, self._key_columns)
        times = times_of(events)
        powers = np.empty((len(times), len(self.specification.half_lives)))
        weigh_all(self._plan.clock, times, powers)
        return Batch(columns, times, kinds, log_prices_of(events), powers, places)

    def _walk_entity(self, entity: Entity, offset: int, batch: Batch, out: Values) -> None:
        table = self._tables[entity.name]
        keys, known = batch.columns.keys(entity)
        landmark = kernel.landmark_of(batch.times[0]) if len(batch.times) else 0
        rows = table.locate(keys, known, landmark)
        apply_and_read(
            table.states,
            table.layout,
            table.clock,
            rows,
            batch.times,
            batch.kinds,
            batch.log_prices,
            batch.powers,
            batch.places,
            out[:, offset : offset + table.layout.readings],
        )


def _cut(events: pl.DataFrame, wanted: Rows) -> Iterator[tuple[pl.DataFrame, Rows]]:
    for start in range(0, events.height, _BATCH_ROWS):
        yield events.slice(start, _BATCH_ROWS), wanted - start


def sharded_by(entity: Entity) -> str | None:
    """The column by which an entity's states are split over shards, None if they are not."""
    return next((name for name in entity.key[:1] if name in SHARDED_BY), None)


def sharded_columns(specification: Specification, by: str) -> Rows:
    """Places, among the values, of what the states read that are split by this column."""
    plan = plan_of(specification)
    spans = [
        np.arange(offset, offset + layout.readings)
        for entity, layout, offset in zip(
            specification.entities, plan.entities, plan.offsets, strict=True
        )
        if sharded_by(entity) == by
    ]
    return np.concatenate(spans)


def complete(specification: Specification, carts: pl.DataFrame, values: Values) -> Values:
    """Add facts and derived values to the readings of ``carts``; the model's vectors of them."""
    plan = plan_of(specification)
    write_facts(times_of(carts), log_prices_of(carts), values)
    derive_all(values, plan.program)
    return values if len(plan.vector) == plan.values else values[:, plan.vector]


def times_of(events: pl.DataFrame) -> NDArray[np.int64]:
    """Times of events in seconds since the Unix epoch."""
    return events["event_time"].dt.epoch("s").to_numpy()


def log_prices_of(events: pl.DataFrame) -> NDArray[np.float64]:
    """Natural logarithms of prices, NaN where a price is zero: unknown."""
    prices = events["price"].to_numpy()
    logs = np.full(len(prices), np.nan)
    np.log(prices, out=logs, where=prices > 0)
    return logs
