"""A store in memory: for tests, and where states need not outlive the process."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import RLock

from cartwise.features.packed import Packing
from cartwise.features.spec import Specification
from cartwise.store.head import Head
from cartwise.store.offsets import require_offset
from cartwise.store.protocol import Advance, Merge, Position, Replacement, Resumption, States

_SCAN_STATES = 10_000


class MemoryStore:
    """Dictionaries behind a lock."""

    def __init__(self, specification: Specification) -> None:
        self._packing = Packing(specification)
        self._expected = Head(specification.fingerprint)
        self._head: bytes | None = None
        self._states: dict[bytes, bytes] = {}
        self._sources: dict[str, Resumption] = {}
        self._lock = RLock()

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._lock:
            self.check()
            return [self._states.get(key) for key in keys]

    def merge(self, merge: Merge) -> None:
        with self._lock:
            self.check()
            for advance in merge.advances:
                require_offset(advance, self._sources.get(advance.source, Resumption()).position)
            keys = list(merge.deltas)
            olds = [self._states.get(key) for key in keys]
            merged = self._packing.merge(keys, olds, list(merge.deltas.values()))
            self._head = self._expected.complete
            self._states.update(zip(keys, merged, strict=True))
            for advance in merge.advances:
                self._sources[advance.source] = self._advanced(advance)

    def replace(self, replacements: Sequence[Replacement]) -> list[bytes]:
        with self._lock:
            self.check()
            self._head = self._expected.complete
            other = [one.key for one in replacements if self._states.get(one.key) != one.old]
            stay = set(other)
            self._states |= {one.key: one.new for one in replacements if one.key not in stay}
            return other

    def positions(self) -> dict[str, Position]:
        with self._lock:
            sources = self._sources.items()
            return {name: one.position for name, one in sources if one.position is not None}

    def resume(self, source: str) -> Resumption:
        with self._lock:
            return self._sources.get(source, Resumption())

    def load(self, states: Iterable[States], sources: Mapping[str, Resumption]) -> int:
        own = self._expected.loading()
        with self._lock:
            self._head = own
            self._states, self._sources = {}, {}
        for some in states:
            with self._lock:
                self._expected.require_own(self._head, own)
                self._states.update(some)
        with self._lock:
            self._expected.require_own(self._head, own)
            self._sources = dict(sources)
            self._head = self._expected.complete
            return len(self._states)

    def scan(self) -> Iterator[States]:
        with self._lock:
            states = list(self._states.items())
        for start in range(0, len(states), _SCAN_STATES):
            yield states[start : start + _SCAN_STATES]

    def sweep(self, time: int) -> Iterator[int]:
        with self._lock:
            keys = list(self._states)
            expiries = self._packing.expiries(keys, list(self._states.values()))
            expired = [key for key, expiry in zip(keys, expiries, strict=True) if expiry < time]
            for key in expired:
                del self._states[key]
        yield len(expired)

    def check(self) -> None:
        self._expected.require(self._head)

    def close(self) -> None:
        return None

    def _advanced(self, advance: Advance) -> Resumption:
        before = self._sources.get(advance.source, Resumption()).seen
        oldest = advance.oldest_bucket
        kept = {b: ids for b, ids in before.items() if oldest is None or b >= oldest}
        added = {bucket: kept.get(bucket, b"") + ids for bucket, ids in advance.seen.items()}
        return Resumption(advance.position, kept | added)


class AsyncMemoryStore:
    """A memory store read by the server that shares its process."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._store.read(keys)

    async def check(self) -> None:
        self._store.check()

    async def close(self) -> None:
        return None
