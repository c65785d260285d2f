"""Replay: the feature core walked over batches of the log, in log order, states carried over.

A state is kept part by part, one for each type of events that it has had: most have seen nothing
but views. A part is a state by itself, see :func:`cartwise.features.layout.part_of`.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.events import COLUMNS, EVENT_TYPES
from cartwise.features import kernel, walk
from cartwise.features.keys import KeyColumns
from cartwise.features.layout import Clock, StateLayout, log_prices, part_of, plan_of
from cartwise.features.shards import BY_SESSION, BY_USER, EVERYTHING, Shard, sharded_by
from cartwise.features.spec import Entity, Specification
from cartwise.features.table import Parts, States, StateTable, whole_states

THREADS = 2
_BATCH_ROWS = 65_536
_ALWAYS = ("event_time", "event_type", "price")

Rows = NDArray[np.int64]

Values = NDArray[np.float32]
"""Shape (carts, values): facts, readings and derived values, in the specification's order."""


@dataclass(frozen=True)
class Events:
    """Events as arrays; ``powers[i]`` is what event i weighs, by half-life."""

    columns: KeyColumns
    times: Rows
    log_prices: NDArray[np.float64]
    powers: NDArray[np.float64]

    def only(self, chosen: NDArray[np.int64]) -> "Events":
        """The events that these rows are."""
        return Events(
            self.columns.only(chosen),
            self.times.take(chosen),
            self.log_prices.take(chosen),
            self.powers.take(chosen, axis=0),
        )


@dataclass(frozen=True)
class Batch:
    """Events by type, each type in log order, and those among them that are read.

    Attributes:
        by_type: the events of each type.
        read: the events that are read, each right after it was applied.
        positions: shape (types, read): how many events of a type come up to the one read.
        places: shape (read,): row of the output.
    """

    by_type: tuple[Events, ...]
    read: Events
    positions: Rows
    places: Rows

    @classmethod
    def of(cls, events: Events, kinds: Rows, chosen: Rows, read: Rows, places: Rows) -> "Batch":
        """Part the events ``chosen`` by type; ``read`` are rows that are read."""
        of_type = [chosen[kinds[chosen] == code] for code in range(len(EVENT_TYPES))]
        positions = [np.searchsorted(rows, read, side="right") for rows in of_type]
        return cls(
            tuple(events.only(rows) for rows in of_type),
            events.only(read),
            np.array(positions),
            places,
        )


Batches = dict[str | None, Batch]
"""The events of a shard's users, of its sessions, and all, by what states are split by."""


@dataclass(frozen=True)
class Prepared:
    """Events made ready for a replay: ``wanted`` is how many of them are read."""

    wanted: int
    batches: list[Batches]


class EntityStates:
    """The states of one entity, part by part."""

    def __init__(self, layout: StateLayout, clock: Clock, parts: Parts | None = None) -> None:
        self.layout = layout
        self._clock = clock
        self._tables = [
            StateTable(part_of(layout, code), clock, parts[code] if parts else None)
            for code in range(len(EVENT_TYPES))
        ]

    def walk(self, entity: Entity, batch: Batch, out: Values) -> None:
        """Apply a batch, and read what is read of it into ``out``: shape (rows, readings)."""
        keys, known = batch.read.columns.keys(entity)
        states = np.empty((len(known), self.layout.width))
        walk.clear_all(states, self.layout, batch.read.times)
        for code, table in enumerate(self._tables):
            events = batch.by_type[code]
            rows = table.locate(*events.columns.keys(entity), _landmark(events.times))
            walk.apply_and_copy(
                table.states,
                table.layout,
                self._clock,
                rows,
                events.times,
                events.log_prices,
                events.powers,
                table.find(keys, known),
                batch.positions[code],
                states,
                self.layout,
                code,
            )
        walk.read_all(states, self.layout, self._clock, batch.read.times, known, batch.places, out)

    def forget(self, time: int) -> None:
        """Drop the parts that nobody can see any more at ``time``."""
        for table in self._tables:
            table.forget(time)

    def parts(self) -> Parts:
        """The states by type of event; views, valid until the next events."""
        return tuple(table.snapshot() for table in self._tables)


class Replay:
    """The states of one shard of a log, and how to take them further."""

    def __init__(
        self,
        specification: Specification,
        shard: Shard = EVERYTHING,
        states: dict[str, Parts] | None = None,
    ) -> None:
        self.specification = specification
        self.shard = shard
        self._plan = plan_of(specification)
        planned = zip(specification.entities, self._plan.entities, self._plan.offsets, strict=True)
        ours = [one for one in planned if shard.keeps(one[0])]
        self._states = {
            entity.name: EntityStates(layout, self._plan.clock, (states or {}).get(entity.name))
            for entity, layout, _ in ours
        }
        keys = {name for entity, _, _ in ours for name in entity.key} | ({shard.by} - {None})
        self._keys = [name for name in COLUMNS if name in keys]
        # Pairs are the most of the work: begun first, they keep no thread waiting at the end.
        self._by_effort = sorted(
            ((entity, offset) for entity, _, offset in ours), key=lambda one: -len(one[0].key)
        )
        self._pool = ThreadPoolExecutor(THREADS)

    @property
    def columns(self) -> list[str]:
        """The columns of events that this replay looks at."""
        return [*_ALWAYS, *self._keys]

    def values(self, events: pl.DataFrame, wanted: Rows) -> Values:
        """Apply ``events``, in order, and read the values of the rows ``wanted``, each right after
        its event. Derived values are left empty, as are those of other shards."""
        return self.apply(self.prepare(events, wanted))

    def prepare(self, events: pl.DataFrame, wanted: Rows) -> Prepared:
        """All of :meth:`values` that needs no states, so that it may be done ahead."""
        return Prepared(len(wanted), [self._part(*cut) for cut in _cut(events, wanted)])

    def apply(self, prepared: Prepared) -> Values:
        """The rest of :meth:`values`."""
        out = np.full((prepared.wanted, self._plan.values), np.nan, dtype=np.float32)
        for batches in prepared.batches:
            self._walk(batches, out)
        return out

    def vectors(self, events: pl.DataFrame, wanted: Rows) -> Values:
        """Like :meth:`values`, complete, as the model's vectors: shape (wanted, features)."""
        out = self.values(events, wanted)
        return complete(self.specification, events[wanted], out)

    def forget(self, time: int) -> None:
        """Drop the states that nobody can see any more at ``time``."""
        self._together(partial(states.forget, time) for states in self._states.values())

    def snapshot(self) -> dict[str, Parts]:
        """The states by entity and type of event; views, valid until the next events."""
        return {name: states.parts() for name, states in self._states.items()}

    def whole(self) -> Iterator[tuple[Entity, States]]:
        """Yield every state as a whole, as the kernel takes it, some of an entity at a time."""
        for entity in self.specification.entities:
            if states := self._states.get(entity.name):
                for some in whole_states(states.layout, self._plan.clock, states.parts()):
                    yield entity, some

    def _part(self, events: pl.DataFrame, wanted: Rows) -> Batches:
        kinds = events["event_type"].to_physical().to_numpy()
        arrays = self._arrays(events)
        places = np.flatnonzero((wanted >= 0) & (wanted < events.height))
        places = places[np.argsort(wanted[places], kind="stable")]
        everything = Batch.of(arrays, kinds, np.arange(events.height), wanted[places], places)
        by = self.shard.by
        if by is None or self.shard.count == 1:
            return dict.fromkeys((None, BY_SESSION, BY_USER), everything)
        mask = self.shard.mask_keys(arrays.columns[by])
        ours = mask[wanted[places]]
        part = Batch.of(arrays, kinds, np.flatnonzero(mask), wanted[places][ours], places[ours])
        return {None: everything, by: part}

    def _walk(self, batches: Batches, out: Values) -> None:
        self._together(
            partial(self._walk_entity, entity, offset, batches[sharded_by(entity)], out)
            for entity, offset in self._by_effort
        )

    def _together(self, tasks: Iterable[Callable[[], None]]) -> None:
        """Work on all tasks, some at a time, and come back when all are done."""
        for done in [self._pool.submit(task) for task in tasks]:
            done.result()

    def _walk_entity(self, entity: Entity, offset: int, batch: Batch, out: Values) -> None:
        states = self._states[entity.name]
        states.walk(entity, batch, out[:, offset : offset + states.layout.readings])

    def _arrays(self, events: pl.DataFrame) -> Events:
        times = times_of(events)
        powers = np.empty((len(times), len(self.specification.half_lives)))
        walk.weigh_all(self._plan.clock, times, powers)
        return Events(KeyColumns.of(events, self._keys), times, log_prices_of(events), powers)


def _landmark(times: Rows) -> int:
    return int(kernel.landmark_of(times[0])) if len(times) else 0


def _cut(events: pl.DataFrame, wanted: Rows) -> Iterator[tuple[pl.DataFrame, Rows]]:
    for start in range(0, events.height, _BATCH_ROWS):
        yield events.slice(start, _BATCH_ROWS), wanted - start


def complete(specification: Specification, carts: pl.DataFrame, values: Values) -> Values:
    """Add facts and derived values to the readings of ``carts``; the model's vectors of them."""
    plan = plan_of(specification)
    walk.write_facts(times_of(carts), log_prices_of(carts), values)
    walk.derive_all(values, plan.program)
    return values if len(plan.vector) == plan.values else values[:, plan.vector]


def times_of(events: pl.DataFrame) -> NDArray[np.int64]:
    """Times of events in seconds since the Unix epoch."""
    return events["event_time"].dt.epoch("s").to_numpy()


def log_prices_of(events: pl.DataFrame) -> NDArray[np.float64]:
    """As :func:`log_prices`, of events."""
    return log_prices(events["price"].to_numpy())
