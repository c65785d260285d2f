"""What a store of states does; memory, SQLite and Redis do it alike.

A store holds the packed state of every key (:mod:`cartwise.features.packed`), how far each source
of events has been followed, and the ids of the latest events of each source. All three move
together: a merge happens as a whole or not at all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from cartwise.events import SECONDS_PER_DAY

EVENT_ID_BYTES: Final = 16

SLACK_SECONDS: Final = 7 * SECONDS_PER_DAY
"""States are kept so much longer than they can be seen by the clock: a stream may be so far behind
before it could miss one."""

States = Sequence[tuple[bytes, bytes]]
"""Keys with their packed states."""


@dataclass(frozen=True)
class Position:
    """How far a source, a partition of the log, has been followed.

    Attributes:
        offset: of the next event to be applied.
        watermark: latest time of an event so far, in seconds since the Unix epoch.
        applied: events that the states hold.
        duplicates: events that had been applied before, and were left out.
        late: events that were older than the memory of duplicates; they are applied, too.
    """

    offset: int
    watermark: int = 0
    applied: int = 0
    duplicates: int = 0
    late: int = 0


@dataclass(frozen=True)
class Resumption:
    """All that a worker needs to take a source over.

    ``position`` is None where the store never heard of the source. ``seen`` holds the ids of the
    events applied, 16 bytes each, one after the other, by bucket of event time.
    """

    position: Position | None = None
    seen: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Advance:
    """One source's part in a merge: from one position to the next.

    Attributes:
        source: name of the partition.
        expected: the offset that the store has to have, None for none.
        position: where the source stands after the merge.
        seen: ids to remember, by bucket.
        oldest_bucket: earlier buckets are forgotten, None to forget none.
    """

    source: str
    expected: int | None
    position: Position
    seen: Mapping[int, bytes] = field(default_factory=dict)
    oldest_bucket: int | None = None


@dataclass(frozen=True)
class Merge:
    """A batch of events as the store takes it: what to add to states, and how sources move.

    While Redis merges it serves nobody else: the more keys, the longer everybody waits.
    """

    deltas: Mapping[bytes, bytes]
    advances: Sequence[Advance]


class Replacement(NamedTuple):
    """A packed state to be put in the place of another one, None of none at all."""

    key: bytes
    old: bytes | None
    new: bytes


class Store(Protocol):
    """States by key. May be shared by threads; all methods may raise StoreUnavailable."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The states of these keys, None for none; one round trip.

        Raises:
            StoreIncomplete: the store is being loaded.
            FingerprintMismatch: its states were made with another specification.
        """
        ...

    def merge(self, merge: Merge) -> None:
        """Add deltas to states and move sources, all or nothing.

        Raises:
            StaleOffset: a source is not where it was expected.
            StoreIncomplete: the store is being loaded.
            FingerprintMismatch: its states were made with another specification.
        """
        ...

    def replace(self, replacements: Sequence[Replacement]) -> list[bytes]:
        """Put new states where the old ones still are; the keys where they are not any more.

        Each key is looked at and written in one step, and given once; sources stay where they are.

        Raises:
            StoreIncomplete: the store is being loaded.
            FingerprintMismatch: its states were made with another specification.
        """
        ...

    def positions(self) -> dict[str, Position]:
        """Where every source stands, by its name."""
        ...

    def resume(self, source: str) -> Resumption:
        """Where a source stands and what it saw, both of one moment."""
        ...

    def load(self, states: Iterable[States], sources: Mapping[str, Resumption]) -> int:
        """Replace all that the store holds; returns the number of states.

        Nothing can be read or merged before it is complete. If it is interrupted, the store stays
        that way until it is loaded again.

        Raises:
            StoreIncomplete: another load has begun meanwhile.
        """
        ...

    def scan(self) -> Iterator[States]:
        """All states, some at a time, in no order."""
        ...

    def sweep(self, time: int) -> Iterator[int]:
        """Drop states that nobody can see any more at ``time``, some with every step; how many.

        Changes nothing that can be read. A server that expires keys by itself drops none here.
        """
        ...

    def check(self) -> None:
        """Raise what would keep the store from being used."""
        ...

    def close(self) -> None: ...


class AsyncStore(Protocol):
    """The reading half of a store, for a server that must not wait."""

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """As :meth:`Store.read`."""
        ...

    async def check(self) -> None:
        """As :meth:`Store.check`."""
        ...

    async def close(self) -> None: ...
