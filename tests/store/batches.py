"""Deltas of batches of events, and what a store should hold of them."""

from collections.abc import Iterable, Sequence

import numpy as np

from cartwise.features.live import LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.store import Advance, Merge, Position, Store
from tests.features.live_events import LIVE, a_shop, live_log

SOURCE = "events/0"
EVENTS = live_log(a_shop(120))


def deltas(events: Sequence[LiveEvent]) -> dict[bytes, bytes]:
    batch = LiveBatch(LIVE.packing, events)
    return dict(zip(batch.keys, batch.walk([None] * len(batch.keys)).deltas, strict=True))


def batch(events: Sequence[LiveEvent], start: int = 0, source: str = SOURCE) -> Merge:
    """The merge of events that begin at an offset of a source."""
    end = start + len(events)
    advance = Advance(source, start or None, Position(end, events[-1].time, end))
    return Merge(deltas(events), [advance])


def add(store: Store, *some: Sequence[LiveEvent]) -> None:
    """Merge without sources, one batch after the other."""
    for events in some:
        store.merge(Merge(deltas(events), []))


def states_of(store: Store) -> dict[bytes, bytes]:
    return {key: state for some in store.scan() for key, state in some}


def require_same(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> None:
    """Equal but for the last bits of floating point."""
    assert set(one) == set(other)
    for entity, keys in _by_entity(one):
        ours, theirs = (LIVE.packing.unpack(entity, [s[k] for k in keys]) for s in (one, other))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def _by_entity(keys: Iterable[bytes]) -> Iterable[tuple[int, list[bytes]]]:
    for entity in sorted({key[0] for key in keys}):
        yield entity, [key for key in keys if key[0] == entity]
