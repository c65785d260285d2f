"""A table of states by key that grows as entities appear and forgets them when they expire."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwise.features import probing, walk
from cartwise.features.keys import Keys, Known
from cartwise.features.layout import Clock, StateLayout

_FULL = 0.6
"""Share of occupied slots from which linear probing gets slow."""

_WORTH_IT = 1.25
"""Growth since they were last looked through after which states are looked through again."""

_GROWTH = 1.2
"""Spare room costs memory, and more of it saves little: the pages are moved, not copied."""

_SMALL_BYTES = 2**25
"""Smaller arrays are copied when they grow, so that they double."""

_FEW = 1000
"""So few states are not worth looking through."""


class States(NamedTuple):
    """States by key: ``keys`` (n, 2) and ``states`` (n, width), row by row."""

    keys: Keys
    states: NDArray[np.float64]


Parts = tuple[States, ...]
"""The states of one entity by type of event: what each type left, as a state by itself, see
:func:`cartwise.features.layout.part_of`. A key is in those types that it has had."""


class KeyIndex:
    """Rows by key: the n-th new key gets row n."""

    def __init__(self, keys: Keys | None = None) -> None:
        self.count = 0 if keys is None else len(keys)
        self.keys = np.empty((0, 2), dtype=np.uint64) if keys is None else keys.copy()
        self._slots, self._shift = _free_slots(max(self.count, _FEW))
        probing.fill_slots(self.keys, self.count, self._slots, self._shift)

    def locate(self, keys: Keys, known: Known) -> NDArray[np.int64]:
        """Row of each key, -1 where it is not known; new keys are added."""
        self._reserve(len(keys))
        rows = np.empty(len(keys), dtype=np.int64)
        self.count, _ = probing.locate(
            keys, known, self._slots, self._shift, self.keys, self.count, rows
        )
        return rows

    def find(self, keys: Keys, known: Known) -> NDArray[np.int64]:
        """Row of each key, -1 where it is not known, or not here."""
        rows = np.empty(len(keys), dtype=np.int64)
        probing.find(keys, known, self._slots, self._shift, self.keys, rows)
        return rows

    def keep(self, count: int) -> None:
        """Keep but the first ``count`` rows of :attr:`keys`, which may have been rewritten."""
        self.count = count
        self._slots[:] = 0
        probing.fill_slots(self.keys, count, self._slots, self._shift)

    def _reserve(self, more: int) -> None:
        needed = self.count + more
        self.keys = grow(self.keys, needed)
        if needed > _FULL * len(self._slots):
            old = self._slots
            self._slots, self._shift = _free_slots(needed)
            probing.move_slots(old, self._slots, self._shift)


class StateTable:
    """The states of one entity, addressed by key."""

    def __init__(self, layout: StateLayout, clock: Clock, states: States | None = None) -> None:
        self.layout = layout
        self.clock = clock
        self.states = np.empty((0, layout.width)) if states is None else states.states.copy()
        self._index = KeyIndex(None if states is None else states.keys)
        self._living = max(self.count, _FEW)
        self._oldest = -np.inf

    @property
    def count(self) -> int:
        """How many states there are."""
        return self._index.count

    def locate(self, keys: Keys, known: Known, landmark: int) -> NDArray[np.int64]:
        """Row of each key, -1 where it is not known; new keys get an empty state."""
        before = self.count
        rows = self._index.locate(keys, known)
        self.states = grow(self.states, self.count)
        probing.clear_rows(self.states, self.layout, before, self.count, landmark)
        return rows

    def find(self, keys: Keys, known: Known) -> NDArray[np.int64]:
        """Row of each key, -1 where it is not known, or has no state."""
        return self._index.find(keys, known)

    def forget(self, time: int) -> None:
        """Drop what nobody can see any more at ``time``, if enough may be of that kind."""
        expired = self._oldest + self.layout.time_to_live_seconds < time
        if not expired or self.count < _WORTH_IT * self._living:
            return
        kept, self._oldest = probing.keep_living(
            self.states, self._index.keys, self.count, self.layout, time
        )
        self._living = max(kept, _FEW)
        if kept < self.count:
            self._index.keep(kept)

    def snapshot(self) -> States:
        """The states as they are now; views, valid until the table changes."""
        return States(self._index.keys[: self.count], self.states[: self.count])


def whole_states(
    layout: StateLayout, clock: Clock, parts: Parts, at_a_time: int = 65_536
) -> Iterator[States]:
    """Yield the states of one entity as a whole, of the layout given, some at a time."""
    index = KeyIndex()
    rows = [index.locate(part.keys, np.ones(len(part.keys), dtype=np.bool_)) for part in parts]
    orders = [np.argsort(of_part) for of_part in rows]
    for start in range(0, index.count, at_a_time):
        end = min(start + at_a_time, index.count)
        states = np.empty((end - start, layout.width))
        probing.clear_rows(states, layout, 0, len(states), 0)
        for event, (part, order, of_part) in enumerate(zip(parts, orders, rows, strict=True)):
            first, past = np.searchsorted(of_part, (start, end), sorter=order)
            here = order[first:past]
            walk.put_all(states, layout, clock, event, part.states[here], of_part[here] - start)
        yield States(index.keys[start:end], states)


def grow(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """The array with room for so many rows, and some to spare; what is new is undefined."""
    if rows <= len(array):
        return array
    if array.nbytes < _SMALL_BYTES:
        larger = np.empty((max(rows, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
        larger[: len(array)] = array
        return larger
    # realloc moves pages instead of copying them: the peak stays at one copy
    array.resize((max(rows, int(len(array) * _GROWTH)), *array.shape[1:]), refcheck=False)
    return array


def _free_slots(rows: int) -> tuple[NDArray[np.uint64], np.uint64]:
    """Slots for so many rows, and how far a hash is shifted to name one."""
    bits = max(1, int(rows / _FULL).bit_length())
    return np.zeros(1 << bits, dtype=np.uint64), np.uint64(64 - bits)
