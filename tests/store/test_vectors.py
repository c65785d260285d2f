"""Whatever store is between them, stream and request give what replay gives."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.data.ingest import ingest
from cartwise.data.lake import read_day, stored_days
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import CART, LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.features.replay import Replay
from cartwise.store import Merge, Store
from tests.features.live_events import LIVE, a_shop, live_log
from tests.logs import frame, reference_log
from tests.reference import Event, vector
from tests.samples import sample
from tests.store.places import Place

LOG = a_shop(150, seed=11)


def replayed(log: Sequence[Event]) -> NDArray[np.float32]:
    carts = np.flatnonzero([event.event_type == "cart" for event in log])
    return Replay(SPECIFICATION).vectors(frame(log), carts)


def streamed(store: Store, events: Sequence[LiveEvent]) -> NDArray[np.float32]:
    """Vectors of a batch's carts; its deltas are in the store afterwards."""
    batch = LiveBatch(LIVE.packing, events)
    walked = batch.walk(store.read(batch.keys))
    store.merge(Merge(dict(zip(batch.keys, walked.deltas, strict=True)), []))
    return walked.vectors


def test_the_stream_through_a_store_equals_replay(place: Place) -> None:
    store, events = place.open(), live_log(LOG)
    vectors = [streamed(store, events[start : start + 11]) for start in range(0, len(events), 11)]
    np.testing.assert_allclose(np.concatenate(vectors), replayed(LOG), rtol=1e-6, atol=1e-6)


def test_a_request_gives_the_same_to_the_bit_before_and_after_the_stream(place: Place) -> None:
    store, expected = place.open(), iter(replayed(LOG))
    for event in live_log(LOG):
        keys = LIVE.keys(event)
        before = store.read(keys)
        streamed(store, [event])
        if event.kind == CART:
            wanted = next(expected).tobytes()
            assert LIVE.vector(event, before).tobytes() == wanted
            assert LIVE.vector(event, store.read(keys)).tobytes() == wanted


def test_on_real_rows_the_stream_through_a_store_equals_the_definition(
    place: Place, tmp_path: Path
) -> None:
    ingest([sample("cosmetics-2019-q4-heads.csv")], tmp_path / "lake")
    lake = tmp_path / "lake"
    log = reference_log(pl.concat(read_day(lake, day) for day in stored_days(lake)))
    store, events = place.open(), live_log(log)
    parts = [streamed(store, events[start : start + 400]) for start in range(0, len(events), 400)]
    vectors = np.concatenate(parts)
    carts = np.flatnonzero([event.event_type == "cart" for event in log])
    for i in np.random.default_rng(2).choice(len(carts), 4, replace=False):
        truth = list(vector(SPECIFICATION, log[: carts[i] + 1]).values())
        np.testing.assert_allclose(vectors[i], truth, rtol=1e-5, atol=1e-6)
