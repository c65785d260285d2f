"""Generated logs as the live drivers take them."""

from collections.abc import Sequence

import numpy as np

from cartwise.events import EVENT_TYPES
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import Live, LiveEvent
from cartwise.features.live_batch import LiveBatch, Walked
from tests.reference import Event

LIVE = Live(SPECIFICATION)


def live_log(log: Sequence[Event]) -> list[LiveEvent]:
    return [
        LiveEvent(e.time, EVENT_TYPES.index(e.event_type), e.product_id, e.category_id, None,
                  e.brand, e.price, e.user_id, e.user_session)
        for e in log
    ]  # fmt: skip


def step(states: dict[bytes, bytes], events: Sequence[LiveEvent]) -> Walked:
    """Walk a batch and merge its deltas into ``states``."""
    batch = LiveBatch(LIVE.packing, events)
    olds = [states.get(key) for key in batch.keys]
    walked = batch.walk(olds)
    merged = LIVE.packing.merge(batch.keys, olds, walked.deltas)
    states.update(zip(batch.keys, merged, strict=True))
    return walked


def a_shop(size: int, seed: int = 5) -> list[Event]:
    """A log of few users and products in time order, over some months."""
    rng = np.random.default_rng(seed)
    times = 1_570_000_000 + np.cumsum(rng.choice([0, 1, 60, 3600, 86_400], size))
    kinds = rng.choice(EVENT_TYPES, size)
    return [
        Event(int(times[i]), str(kinds[i]), int(rng.integers(5)), int(rng.integers(2)), "b",
              float(rng.choice([0.0, 9.99])), int(rng.integers(20)), f"s{rng.integers(30)}")
        for i in range(size)
    ]  # fmt: skip
