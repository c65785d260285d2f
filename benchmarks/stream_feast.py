"""Feast writing finished values to Redis: what its push does with the rows of a stream."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig
from feast.types import Float64, Int64
from feast.value_type import ValueType

FEATURES = 24
BATCH_ROWS = 1000
BATCHES = 10


def rows_per_second(redis_url: str, folder: Path) -> float:
    """Push batches of rows of as many features as an entity of ours has counters."""
    store = _store(redis_url, folder)
    _push(store, 0)
    begun = time.perf_counter()
    for batch in range(1, BATCHES + 1):
        _push(store, batch)
    return BATCHES * BATCH_ROWS / (time.perf_counter() - begun)


def _store(redis_url: str, folder: Path) -> FeatureStore:
    folder.mkdir()
    where = urlsplit(redis_url)
    online = {
        "type": "redis",
        "connection_string": f"{where.hostname}:{where.port},password={where.password},db=1",
    }
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            registry=str(folder / "registry.db"),
            provider="local",
            online_store=online,
            offline_store={"type": "dask"},
            entity_key_serialization_version=3,
        ),
    )
    _rows(0).to_parquet(folder / "rows.parquet")
    files = FileSource(path=str(folder / "rows.parquet"), timestamp_field="event_timestamp")
    entity = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="counters",
        entities=[entity],
        ttl=timedelta(days=1),
        schema=[Field(name="user_id", dtype=Int64)]
        + [Field(name=f"counter_{i}", dtype=Float64) for i in range(FEATURES)],
        source=PushSource(name="events", batch_source=files),
    )
    store.apply([entity, view])
    return store


def _push(store: FeatureStore, batch: int) -> None:
    store.push("events", _rows(batch))


def _rows(batch: int) -> pd.DataFrame:
    users = np.arange(batch * BATCH_ROWS, (batch + 1) * BATCH_ROWS)
    values = {f"counter_{i}": users / 7 + i for i in range(FEATURES)}
    now = datetime.now(UTC)
    return pd.DataFrame({"user_id": users, "event_timestamp": now, **values})
