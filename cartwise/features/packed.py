"""Packed states: what stores keep and what travels; :mod:`cartwise.features.blocks` has the form.

A key is :data:`KEY_BYTES` long: the entity's place in the specification in the first byte, then
the 128 bits of :mod:`cartwise.features.keys`, both halves little-endian.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import DamagedState, FingerprintMismatch
from cartwise.features import blocks
from cartwise.features.keys import Keys
from cartwise.features.layout import Ints, plan_of
from cartwise.features.spec import Specification
from cartwise.features.table import States

KEY_BYTES: Final = 17
HEAD_BYTES: Final = 8 * blocks.HEAD
_KEY: Final = np.dtype([("entity", "u1"), ("high", "<u8"), ("low", "<u8")])


def pack_keys(entity: int, keys: Keys) -> list[bytes]:
    """Keys of one entity as bytes."""
    rows = np.empty(len(keys), dtype=_KEY)
    rows["entity"], rows["high"], rows["low"] = entity, keys[:, 0], keys[:, 1]
    return cut(rows.tobytes(), range(0, KEY_BYTES * (len(keys) + 1), KEY_BYTES))


def unpack_keys(keys: Sequence[bytes]) -> tuple[Ints, Keys]:
    """Place of the entity, shape (n,), and the key's halves, shape (n, 2), of each key."""
    rows = np.frombuffer(b"".join(keys), dtype=_KEY)
    return rows["entity"].astype(np.int64), np.column_stack((rows["high"], rows["low"]))


def cut(data: bytes, borders: Sequence[int]) -> list[bytes]:
    """The parts of ``data`` between neighbouring borders."""
    return [data[start:end] for start, end in pairwise(borders)]


class Packing:
    """Packs and merges the states of one specification."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.fingerprint = bytes.fromhex(specification.fingerprint)
        """The first eight bytes of every packed state."""
        self.plan = plan_of(specification)
        self.layouts = blocks.stack(self.plan)
        self.word = np.frombuffer(self.fingerprint, dtype="<u8")[0]

    def pack(self, entity: int, states: NDArray[np.float64]) -> list[bytes]:
        """Pack dense states of one entity, shape (n, width)."""
        if states.shape[1] != self.plan.entities[entity].width:
            raise ValueError("these are states of another entity")
        words = np.empty(len(states) * (blocks.HEAD + states.shape[1]), dtype=np.uint64)
        ends = np.zeros(len(states), dtype=np.int64)
        blocks.pack_rows(states, self.word, self.layouts, entity, words, ends)
        return _parts(words, ends)

    def unpack(self, entity: int, packed: Sequence[bytes | None]) -> NDArray[np.float64]:
        """Dense states of one entity, shape (n, width); an empty one for None.

        Raises:
            FingerprintMismatch: a state was made with another specification.
            DamagedState: a state is none of this entity.
        """
        states = np.empty((len(packed), self.plan.entities[entity].width))
        words, ends = self._words(packed)
        self._require(
            packed, blocks.unpack_rows(words, ends, self.word, self.layouts, entity, states)
        )
        return states

    def states(self, entity: int, rows: States) -> tuple[list[bytes], list[bytes]]:
        """Keys and packed states of a replay's table of one entity."""
        return pack_keys(entity, rows.keys), self.pack(entity, rows.states)

    def merge(
        self, keys: Sequence[bytes], olds: Sequence[bytes | None], deltas: Sequence[bytes]
    ) -> list[bytes]:
        """Add a delta to the old state of each key, None where there is none.

        Raises:
            FingerprintMismatch: a state was made with another specification.
            DamagedState: a state is none of its key's entity.
        """
        if not len(keys) == len(olds) == len(deltas):
            raise ValueError("every key needs its old state, or None, and its delta")
        old, old_ends = self._words(olds)
        new, new_ends = self._words(deltas)
        entities = self._entities(keys)
        words, ends = np.empty(len(old) + len(new), dtype=np.uint64), np.zeros_like(new_ends)
        bad = blocks.merge_rows(
            self.layouts, self.plan.clock, self.word, entities, old, old_ends, new, new_ends,
            words, ends,
        )  # fmt: skip
        if bad >= 0:
            self._require([olds[bad], deltas[bad]], 0)
        return _parts(words, ends)

    def last_events(self, keys: Sequence[bytes], packed: Sequence[bytes]) -> NDArray[np.float64]:
        """Time of the latest event of each state in seconds since the Unix epoch."""
        words, ends = self._words(packed)
        last = np.empty(len(packed))
        entities = self._entities(keys)
        bad = blocks.last_events(words, ends, self.word, self.layouts, entities, last)
        self._require(packed, bad)
        return last

    def expiries(self, keys: Sequence[bytes], packed: Sequence[bytes]) -> NDArray[np.float64]:
        """Last moment at which anything can be read from each state."""
        lives = self.layouts.time_to_live_seconds[self._entities(keys)]
        return self.last_events(keys, packed) + lives

    def _entities(self, keys: Sequence[bytes]) -> Ints:
        places = unpack_keys(keys)[0]
        if places.max(initial=0) >= len(self.plan.entities):
            raise DamagedState("a key is of no entity that this version of Cartwise knows")
        return places

    def _words(self, packed: Sequence[bytes | None]) -> tuple[blocks.Words, Ints]:
        sizes = np.fromiter((len(state or b"") for state in packed), np.int64, len(packed))
        if (sizes % 8).any():
            raise DamagedState("a state in the store is cut short: load the store again")
        joined = b"".join([state or b"" for state in packed])
        return np.frombuffer(joined, dtype="<u8"), np.cumsum(sizes) // 8

    def _require(self, packed: Sequence[bytes | None], bad: int) -> None:
        """Raise for the first bad state, if there is one."""
        if bad < 0:
            return
        for state in packed[bad:]:
            if state and state[:8] != self.fingerprint:
                raise self.mismatch(state[:8])
        raise DamagedState("a state in the store is of another entity or cut short: load it again")

    def mismatch(self, found: bytes) -> FingerprintMismatch:
        """What to raise where this fingerprint was found instead of ours."""
        return FingerprintMismatch(
            f"the store's states were made with the feature specification {found.hex()}, this "
            f"version of Cartwise has {self.fingerprint.hex()}: materialize into an empty store"
        )


def _parts(words: blocks.Words, ends: Ints) -> list[bytes]:
    data = words[: ends[-1] if len(ends) else 0].tobytes()
    return cut(data, [0, *(8 * ends).tolist()])
