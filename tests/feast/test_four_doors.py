"""Invariant 1 through every door: the features of a cart are the same wherever one asks for them.

Four are asked: Feast's history, Feast's online store right after the event, the API over HTTP (its
vector is in the score log), and the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from feast import FeatureStore
from hypothesis import given, settings
from numpy.typing import NDArray

from cartwise.data.ingest import ingest
from cartwise.data.lake import read_day, stored_days
from cartwise.events import EVENT_TYPES
from cartwise.feast import vectors
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.features.packed import Packing
from cartwise.features.probes import Readings
from cartwise.store import Merge, Store, open_async_store, open_store
from tests.feast.worlds import SERVICE, feature_store, ingested_logs, rows_at, write_lake
from tests.logs import frame, reference_log
from tests.reference import Event, reference_values
from tests.samples import sample
from tests.serving.running import running
from tests.serving.worlds import World, make_world, write_model

CARTS = 4
KEYS = ("user_id", "product_id", "category_id", "brand", "user_session")
READINGS = [name for entity in SPECIFICATION.entities for name in entity.readings()]
PACKING = Packing(SPECIFICATION)
SAMPLES = (
    "rees46-2019-10-01-head.csv",
    "cosmetics-2019-q4-heads.csv",
    "rees46-2019-11-random-rows.csv",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "one")


@settings(max_examples=4)
@given(ingested_logs().filter(lambda log: any(event.event_type == "cart" for event in log)))
def test_all_four_agree_on_generated_logs(
    tmp_path_factory: pytest.TempPathFactory, model: Path, log: list[Event]
) -> None:
    folder = tmp_path_factory.mktemp("world")
    write_lake(folder / "lake", frame(log))
    require_agreement(folder, model, frame(log))


@pytest.mark.parametrize("name", SAMPLES)
def test_all_four_agree_on_logs_of_real_shops(name: str, tmp_path: Path, model: Path) -> None:
    ingest([sample(name)], tmp_path / "lake")
    require_agreement(tmp_path, model, events_of(tmp_path / "lake"))


@pytest.mark.parametrize("name", SAMPLES)
def test_what_was_materialized_of_real_shops_is_what_history_says(
    name: str, tmp_path: Path
) -> None:
    ingest([sample(name)], tmp_path / "lake")
    store = online_store(tmp_path)
    latest = events_of(tmp_path / "lake").tail(8).drop_nulls(KEYS)
    end = latest["event_time"].max()
    store.materialize(latest["event_time"].min(), end)
    who = latest.select(KEYS).to_pandas()
    offline = store.get_historical_features(
        entity_df=who.assign(event_timestamp=end), features=store.get_feature_service(SERVICE)
    )
    online = online_readings(store, end, latest.select(KEYS).to_dicts())
    require_close(online, readings_of(offline.to_df()))


def require_agreement(folder: Path, model: Path, events: pl.DataFrame) -> None:
    """Raise unless all four doors give the same features of some carts of a log."""
    carts = np.flatnonzero((events["event_type"] == "cart").to_numpy())
    chosen = np.sort(np.random.default_rng(1).permutation(carts)[:CARTS])
    store = online_store(folder)
    offline = store.get_historical_features(
        entity_df=rows_at(events, chosen), features=store.get_feature_service(SERVICE)
    ).to_df()
    walked = walk(store, model, events, chosen)
    history = readings_of(offline)
    require_close(walked.online, history)
    assert len(walked.api) == len(chosen)
    np.testing.assert_allclose(walked.api, vectors(offline), rtol=1e-6)
    log = reference_log(events)
    for place, row in enumerate(chosen):
        truth = reference_values(SPECIFICATION, log[: row + 1])
        require_close(history[place], np.array([truth[name] for name in READINGS]))
        vector = [truth[name] for name in SPECIFICATION.vector]
        np.testing.assert_allclose(walked.api[place], vector, rtol=1e-5, atol=1e-6)


@dataclass
class Walked:
    """What Feast's online store and the API said of carts, when a walk over the log was there."""

    online: Readings
    api: NDArray[np.float32]


def walk(
    store: FeatureStore, model: Path, events: pl.DataFrame, carts: NDArray[np.int64]
) -> Walked:
    """Bring a log into the store, event by event as a stream does, and ask at each cart."""
    url, online, start = store.config.online_store.url, [], 0
    states = open_store(url, SPECIFICATION)
    world = make_world(model, store=open_async_store(url, SPECIFICATION))
    rows, live = events.to_dicts(), live_events(events)
    with running(world.app) as address:
        for turn, cart in enumerate(carts.tolist()):
            add(states, live[start:cart])
            # Whoever was faster, the API or the stream, the answer has to be the same.
            first = turn % 2 == 0 and is_alone(live, cart)
            if first:
                score(world, address, rows[cart])
            add(states, live[cart : cart + 1])
            if not first:
                score(world, address, rows[cart])
            who = {name: rows[cart][name] for name in KEYS}
            online.append(online_readings(store, rows[cart]["event_time"], [who]))
            start = cart + 1
    states.close()
    served = [np.frombuffer(score.vector, "<f4") for score in world.kept.scores]
    return Walked(np.concatenate(online), np.array(served))


def online_store(folder: Path) -> FeatureStore:
    """A feature store on the lake in a folder, with states beside it."""
    online = {"type": "cartwise.feast.OnlineStore", "url": f"sqlite:///{folder / 'states.db'}"}
    return feature_store(folder, folder / "lake", online)


def online_readings(store: FeatureStore, time: datetime, rows: list[dict[str, object]]) -> Readings:
    store.config.online_store.as_of = time.astimezone(UTC)
    service = store.get_feature_service(SERVICE)
    return readings_of(store.get_online_features(features=service, entity_rows=rows).to_df())


def readings_of(answer: pd.DataFrame) -> Readings:
    return answer[READINGS].to_numpy(dtype=float)


def require_close(ours: Readings, theirs: Readings) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def score(world: World, address: str, cart: dict[str, object]) -> None:
    told = {
        **{name: value for name, value in cart.items() if name != "event_type"},
        "event_time": f"{cart['event_time']:%Y-%m-%dT%H:%M:%SZ}",
    }
    response = httpx.post(f"{address}/v1/score", json=told, headers=world.headers(), timeout=30)
    assert response.status_code == 200, response.text
    assert response.json()["features"]["source"] == "store"


def is_alone(live: Sequence[LiveEvent], cart: int) -> bool:
    """Whether a cart is the only event so far of its second: else it looks like one seen before."""
    return cart == 0 or live[cart - 1].time < live[cart].time


def add(states: Store, events: Sequence[LiveEvent]) -> None:
    """What the stream worker does, without its offsets."""
    if events:
        batch = LiveBatch(PACKING, events)
        deltas = batch.walk(states.read(batch.keys)).deltas
        states.merge(Merge(dict(zip(batch.keys, deltas, strict=True)), ()))


def live_events(events: pl.DataFrame) -> list[LiveEvent]:
    columns = LiveEvent._fields[2:]
    rows = events.select(pl.col("event_time").dt.epoch("s"), "event_type", *columns).rows()
    return [LiveEvent(time, EVENT_TYPES.index(kind), *rest) for time, kind, *rest in rows]


def events_of(lake: Path) -> pl.DataFrame:
    return pl.concat([read_day(lake, day) for day in stored_days(lake)])
