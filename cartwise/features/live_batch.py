"""The stream driver: a batch of events applied to packed states, in the order of arrival.

It walks the same compiled loops as replay, twice: over the states that the store has, to read the
vectors, and over empty ones, which become the deltas that the store is to add.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.features import kernel
from cartwise.features.keys import KeyColumn, KeyColumns, Keys
from cartwise.features.layout import Floats, Ints, log_prices
from cartwise.features.live import CART, WITNESSES, LiveEvent
from cartwise.features.moment import KEY_COLUMNS, NUMBERS, latest_before
from cartwise.features.packed import Packing, pack_keys
from cartwise.features.table import StateTable
from cartwise.features.walk import apply_all, apply_and_read, derive_all, weigh_all, write_facts


@dataclass(frozen=True)
class Walked:
    """What a batch of events came to.

    Attributes:
        carts: places of the cart events in the batch, shape (carts,).
        is_first: which of them are the first of their session and product, shape (carts,); a cart
            without a session is none.
        vectors: float32, shape (carts, features), each right after its event.
        deltas: what the batch adds to the state of each of :attr:`LiveBatch.keys`.
    """

    carts: Ints
    is_first: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    deltas: list[bytes]


@dataclass(frozen=True)
class _Group:
    """The keys of one entity that a batch touches, and the row of each event among them."""

    entity: int
    keys: Keys
    rows: Ints


class LiveBatch:
    """One or more events in the order of arrival, and the keys whose states they need."""

    def __init__(self, packing: Packing, events: Sequence[LiveEvent]) -> None:
        self._packing = packing
        columns = dict(zip(LiveEvent._fields, zip(*events, strict=True), strict=True))
        self._times = np.array(columns["time"], dtype=np.int64)
        self._kinds = np.array(columns["kind"], dtype=np.int64)
        self._log_prices = log_prices(np.array(columns["price"], dtype=np.float64))
        powers = np.empty((len(self._times), len(packing.plan.clock.half_life_seconds)))
        weigh_all(packing.plan.clock, self._times, powers)
        self._columns = (self._times, self._kinds, self._log_prices, powers)
        self._groups = _group(packing, columns, self._times)
        self.keys: list[bytes] = [
            key for group in self._groups for key in pack_keys(group.entity, group.keys)
        ]
        """Every key that the events touch, once."""

    def walk(self, states: Sequence[bytes | None]) -> Walked:
        """Apply the events to ``states``, those of :attr:`keys`, None where there is none.

        Raises:
            FingerprintMismatch: a state was made with another specification.
            DamagedState: a state is none of its key's entity.
        """
        if len(states) != len(self.keys):
            raise ValueError("every key needs its state, or None")
        plan = self._packing.plan
        carts = np.flatnonzero(self._kinds == CART)
        values = np.full((len(carts), plan.values), np.nan, dtype=np.float32)
        is_first = np.zeros(len(carts), dtype=np.bool_)
        deltas: list[bytes] = []
        for group in self._groups:
            own = states[len(deltas) : len(deltas) + len(group.keys)]
            dense = self._packing.unpack(group.entity, own)
            if self._packing.specification.entities[group.entity].key == WITNESSES[0]:
                is_first = self._are_first(group, dense, carts)
            self._read(group, dense, carts, values)
            deltas += self._packing.pack(group.entity, self._delta(group))
        write_facts(self._times[carts], self._log_prices[carts], values)
        derive_all(values, plan.program)
        return Walked(carts, is_first, values[:, plan.vector], deltas)

    def _read(
        self, group: _Group, states: Floats, carts: Ints, values: NDArray[np.float32]
    ) -> None:
        """Apply the events to dense states; fill what is read of them right after each cart."""
        places = np.full(len(self._times), -1, dtype=np.int64)
        places[carts] = np.arange(len(carts))
        plan = self._packing.plan
        layout, offset = plan.entities[group.entity], plan.offsets[group.entity]
        out = values[:, offset : offset + layout.readings]
        apply_and_read(states, layout, plan.clock, group.rows, *self._columns, places, out)

    def _delta(self, group: _Group) -> Floats:
        """The states of just these events."""
        plan = self._packing.plan
        layout = plan.entities[group.entity]
        states = np.zeros((len(group.keys), layout.width))
        states[:, layout.recency] = kernel.NEVER
        apply_all(states, layout, plan.clock, group.rows, *self._columns, 0, len(self._times))
        return states

    def _are_first(self, group: _Group, states: Floats, carts: Ints) -> NDArray[np.bool_]:
        layout = self._packing.plan.entities[group.entity]
        last = states[:, layout.recency[CART]].copy()
        before = np.empty(len(carts))
        latest_before(group.rows, self._times, self._kinds, CART, last, carts, before)
        forgotten = self._times[carts] - before > layout.time_to_live_seconds
        return forgotten & (group.rows[carts] >= 0)


def _group(packing: Packing, columns: dict[str, tuple[object, ...]], times: Ints) -> list[_Group]:
    prepared = {name: KeyColumn.of(_series(name, columns[name])) for name in KEY_COLUMNS}
    key_columns = KeyColumns(len(times), prepared)
    landmark = kernel.landmark_of(times[0])
    groups = []
    for entity, described in enumerate(packing.specification.entities):
        keys, known = key_columns.keys(described)
        table = StateTable(packing.plan.entities[entity], packing.plan.clock)
        rows = table.locate(keys, known, landmark)
        groups.append(_Group(entity, table.snapshot().keys.copy(), rows))
    return groups


def _series(name: str, values: Sequence[object]) -> pl.Series:
    return pl.Series(name, values, dtype=pl.Int64() if name in NUMBERS else pl.String())
