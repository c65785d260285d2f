"""Which products somebody cannot put into a cart again yet.

A label asks whether the same person buys the same product within a day, in any session. So that
the probability drawn for one cart stays true, no other visit may cart or buy that product by
itself before the day (or a planned return) is over: such visits only look.
"""

from dataclasses import dataclass, field

import numpy as np

from cartwise.data.simulator.randomness import Flags, Ints


def _nothing() -> Ints:
    return np.empty(0, np.int64)


@dataclass
class Ledger:
    """Keys of (person, product) with the second until when each is taken."""

    _keys: Ints = field(default_factory=_nothing)
    _until: Ints = field(default_factory=_nothing)

    def free(self, keys: Ints, times: Ints) -> Flags:
        """Whether each key is free at its time; of the same key only the first asked is."""
        first = np.zeros(len(keys), np.bool_)
        first[np.unique(keys, return_index=True)[1]] = True
        if not len(self._keys):
            return first
        at = np.searchsorted(self._keys, keys).clip(0, len(self._keys) - 1)
        taken: Flags = (self._keys[at] == keys) & (times < self._until[at])
        return first & ~taken

    def take(self, keys: Ints, until: Ints) -> None:
        """Keeps free keys until those times (the later where a key is still known)."""
        keys, until = np.append(self._keys, keys), np.append(self._until, until)
        order = np.lexsort((until, keys))
        last = np.append(np.diff(keys[order]) != 0, np.ones(min(1, len(keys)), np.bool_))
        self._keys, self._until = keys[order][last], until[order][last]

    def forget(self, before: int) -> None:
        """Drops what was taken until before that time."""
        kept = self._until >= before
        self._keys, self._until = self._keys[kept], self._until[kept]
