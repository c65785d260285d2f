"""Keys of entities: 128 bits each, two integers as they are where they fit, a hash for text.

Text is hashed with MurmurHash3 x64 128 (Austin Appleby, public domain; SMHasher), so a key is the
same on every machine and in every version of every library. With 10^9 sessions the chance of any
two sharing a key is below 10^-20.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

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


class KeyColumn(NamedTuple):
    """A column's part of keys: shape (rows,) of integers as they are or (rows, 2) of hashes of
    text, and where it has a value."""

    values: NDArray[np.uint64]
    known: Known

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """Prepare a column of integers or text."""
        known = column.is_not_null().to_numpy()
        if column.dtype == pl.String:
            return cls(hash_text(column), known)
        return cls(column.fill_null(0).to_numpy().view(np.uint64), known)

    @property
    def is_text(self) -> bool:
        """Whether these are hashes."""
        return self.values.ndim == 2

    @property
    def half(self) -> NDArray[np.uint64]:
        """64 bits of each value."""
        return self.values[:, 1] if self.is_text else self.values


class KeyColumns:
    """The key columns of a batch of events, each prepared once for all entities that use it."""

    def __init__(self, rows: int, columns: Mapping[str, KeyColumn]) -> None:
        self._rows = rows
        self._columns = columns

    @classmethod
    def of(cls, events: pl.DataFrame, names: Iterable[str]) -> Self:
        """Prepare these columns."""
        return cls(events.height, {name: KeyColumn.of(events[name]) for name in names})

    def __getitem__(self, name: str) -> KeyColumn:
        return self._columns[name]

    def only(self, rows: NDArray[np.int64]) -> "KeyColumns":
        """The columns of some events."""
        chosen = {
            name: KeyColumn(c.values.take(rows, axis=0), c.known.take(rows))
            for name, c in self._columns.items()
        }
        return KeyColumns(len(rows), chosen)

    def keys(self, entity: Entity) -> tuple[Keys, Known]:
        """Keys of an entity, and where all its key columns have a value."""
        columns = [self._columns[name] for name in entity.key]
        known = np.ones(self._rows, dtype=np.bool_)
        for column in columns:
            known &= column.known
        return self._combine(columns), known

    def _combine(self, columns: list[KeyColumn]) -> Keys:
        match columns:
            case []:
                return np.zeros((self._rows, 2), dtype=np.uint64)
            case [one] if one.is_text:
                return one.values
            case [one]:
                return np.column_stack((np.zeros(self._rows, dtype=np.uint64), one.values))
            case [first, second] if first.is_text:
                keys = np.empty((self._rows, 2), dtype=np.uint64)
                mix_in(first.values, second.half, keys)
                return keys
            case [first, second]:
                return np.column_stack((first.half, second.half))
        raise ValueError(f"a key has at most two columns, not {len(columns)}")
