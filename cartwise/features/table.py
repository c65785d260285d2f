"""A table of states by key that grows as entities appear and forgets them when they expire."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwise.features import probing
from cartwise.features.keys import Keys, Known
from cartwise.features.layout import Clock, StateLayout

_FULL = 0.6
"""Share of occupied slots from which linear probing gets slow."""

_WORTH_IT = 1.25
"""Growth since they were last looked through after which states are looked through again."""

_GROWTH = 1.2
"""Spare room costs memory, and more of it saves little: the pages are moved, not copied."""

_FEW = 1000
"""So few states are not worth looking through."""


class States(NamedTuple):
    """States by key: ``keys`` (n, 2) and ``states`` (n, width), row by row."""

    keys: Keys
    states: NDArray[np.float64]


class StateTable:
    """The states of one entity, addressed by key."""

    def __init__(self, layout: StateLayout, clock: Clock, states: States | None = None) -> None:
        self.layout = layout
        self.clock = clock
        self.count = 0 if states is None else len(states.keys)
        self._keys = np.empty((0, 2), dtype=np.uint64) if states is None else states.keys.copy()
        self.states = np.empty((0, layout.width)) if states is None else states.states.copy()
        self._living = max(self.count, _FEW)
        self._slots, self._shift = _free_slots(max(self.count, _FEW))
        probing.fill_slots(self._keys, self.count, self._slots, self._shift)

    def locate(self, keys: Keys, known: Known, landmark: int) -> NDArray[np.int64]:
        """Row of each key, -1 where it is not known; new keys get an empty state."""
        self._reserve(len(keys))
        rows = np.empty(len(keys), dtype=np.int64)
        before = self.count
        self.count, _ = probing.locate(
            keys, known, self._slots, self._shift, self._keys, before, rows
        )
        probing.clear_rows(self.states, self.layout, before, self.count, landmark)
        return rows

    def find(self, keys: Keys, known: Known) -> NDArray[np.int64]:
        """Row of each key, -1 where it is not known, or has no state."""
        rows = np.empty(len(keys), dtype=np.int64)
        probing.find(keys, known, self._slots, self._shift, self._keys, rows)
        return rows

    def forget(self, time: int) -> None:
        """Drop what nobody can see any more at ``time``, if enough may be of that kind."""
        if self.count < _WORTH_IT * self._living:
            return
        self.count = probing.keep_living(self.states, self._keys, self.count, self.layout, time)
        self._living = max(self.count, _FEW)
        self._slots[:] = 0
        probing.fill_slots(self._keys, self.count, self._slots, self._shift)

    def snapshot(self) -> States:
        """The states as they are now; views, valid until the table changes."""
        return States(self._keys[: self.count], self.states[: self.count])

    def _reserve(self, more: int) -> None:
        needed = self.count + more
        if needed > len(self._keys):
            rows = max(needed, int(len(self._keys) * _GROWTH))
            # realloc moves pages instead of copying them: the peak stays at one copy
            self._keys.resize((rows, 2), refcheck=False)
            self.states.resize((rows, self.layout.width), refcheck=False)
        if needed > _FULL * len(self._slots):
            old = self._slots
            self._slots, self._shift = _free_slots(needed)
            probing.move_slots(old, self._slots, self._shift)


def _free_slots(rows: int) -> tuple[NDArray[np.uint64], np.uint64]:
    """Slots for so many rows, and how far a hash is shifted to name one."""
    bits = int(rows / _FULL).bit_length()
    return np.zeros(1 << bits, dtype=np.uint64), np.uint64(64 - bits)
