"""Keys of entities: 128 bits each, two integers as they are where they fit, a hash for text.

Text is hashed with MurmurHash3 x64 128 (Austin Appleby, public domain; SMHasher), so a key is the
same on every machine and in every version of every library. With 10^9 sessions the chance of any
two sharing a key is below 10^-20.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.features.hashing import hash_all, mix_in
from cartwise.features.spec import Entity

Keys = NDArray[np.uint64]
"""Shape (rows, 2): the high and the low half of each key."""

Known = NDArray[np.bool_]


def hash_text(column: pl.Series) -> Keys:
    """MurmurHash3 x64 128 of each string's UTF-8 bytes; that of the empty string for null."""
    array = column.fill_null("").rechunk().to_arrow()
    offsets, data = array.buffers()[1:]
    wide = np.int64 if str(array.type) == "large_string" else np.int32
    places = np.frombuffer(offsets, dtype=wide)[array.offset : array.offset + len(array) + 1]
    hashes = np.empty((len(array), 2), dtype=np.uint64)
    text = np.frombuffer(data, dtype=np.uint8) if data else np.empty(0, dtype=np.uint8)
    hash_all(text, places, hashes)
    return hashes


def key_half(column: pl.Series, hashes: Keys | None) -> NDArray[np.uint64]:
    """A column's part of a key: integers as they are, half of the hash of text."""
    if hashes is not None:
        return hashes[:, 1]
    return column.fill_null(0).to_numpy().view(np.uint64)


class KeyColumns:
    """The key columns of a batch of events: those of text with their hashes, each made once."""

    def __init__(self, events: pl.DataFrame, hashes: Mapping[str, Keys]) -> None:
        self._events = events
        self._hashes = hashes

    def keys(self, entity: Entity) -> tuple[Keys, Known]:
        """Keys of an entity, and where all its key columns have a value."""
        known = np.ones(self._events.height, dtype=np.bool_)
        for name in entity.key:
            known &= self._events[name].is_not_null().to_numpy()
        return self._combine(entity.key), known

    def _combine(self, names: tuple[str, ...]) -> Keys:
        match names:
            case ():
                return np.zeros((self._events.height, 2), dtype=np.uint64)
            case (name,) if name in self._hashes:
                return self._hashes[name]
            case (name,):
                return self._pair(np.zeros(self._events.height, dtype=np.uint64), self._half(name))
            case (first, second) if first in self._hashes:
                return self._salted(first, second)
            case (first, second):
                return self._pair(self._half(first), self._half(second))
        raise ValueError(f"a key has at most two columns, not {names}")

    def only(self, mask: NDArray[np.bool_]) -> "KeyColumns":
        """The columns of the events that a mask chooses."""
        hashes = {name: of_column[mask] for name, of_column in self._hashes.items()}
        return KeyColumns(self._events.filter(mask), hashes)

    def _half(self, name: str) -> NDArray[np.uint64]:
        return key_half(self._events[name], self._hashes.get(name))

    def _salted(self, text: str, other: str) -> Keys:
        out = np.empty((self._events.height, 2), dtype=np.uint64)
        mix_in(self._hashes[text], self._half(other), out)
        return out

    @staticmethod
    def _pair(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> Keys:
        return np.column_stack((high, low))
