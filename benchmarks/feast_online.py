"""``python -m benchmarks.feast_online``: reads through Feast, ours beside its own Redis store.

Both hold the same features of the same carts in one Redis, both are asked by Feast's SDK for all
features of one cart at a time. Ours are decayed when they are read, Feast's are as they were
written. Needs redis-server.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from feast import FeatureStore, RepoConfig

from benchmarks import machine
from benchmarks.rawlog import raw_files, write_raw
from cartwise.data.ingest import ingest
from cartwise.data.lake import read_day, stored_days
from cartwise.feast.views import FEATURE_SERVICE, entities, feature_service, feature_views
from cartwise.features.catalogue import SPECIFICATION
from deploy.services.redis import Redis

EVENTS = 5_000
KEYS = ("user_id", "product_id", "category_id", "brand", "user_session")


def main() -> int:
    """Print a line for each store."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feast_online", description=__doc__)
    parser.add_argument("--reads", type=int, default=500, help="reads that are measured")
    reads = parser.parse_args().reads
    with tempfile.TemporaryDirectory(prefix="cartwise-bench-") as scratch:
        server = Redis(Path(scratch, "redis"))
        server.start()
        try:
            return _contest(Path(scratch), server.url, reads)
        finally:
            server.stop()


def _contest(folder: Path, url: str, reads: int) -> int:
    write_raw(folder / "raw", EVENTS)
    ingest(raw_files(folder / "raw"), folder / "lake")
    events = pl.concat([read_day(folder / "lake", day) for day in stored_days(folder / "lake")])
    last = events["event_time"].max()
    end = datetime.fromtimestamp(last.timestamp(), UTC)
    where = urlsplit(url)
    ours = _store(folder, "ours", {"type": "cartwise.feast.OnlineStore", "url": url, "as_of": end})
    address = f"{where.hostname}:{where.port},password={where.password},db=1"
    theirs = _store(folder, "theirs", {"type": "redis", "connection_string": address})
    for store in (ours, theirs):
        store.materialize(end - timedelta(days=400), end)
    complete = events.drop_nulls(["category_id", "brand", "user_session"])
    carts = complete.sample(reads, with_replacement=True, seed=3).select(KEYS).to_dicts()
    for name, store in (("Cartwise", ours), ("Feast Redis", theirs)):
        _tell(name, _measure(store, carts))
    print("Measured on " + ", ".join(f"{k} {v}" for k, v in machine.describe().items()))
    return 0


def _store(folder: Path, name: str, online: dict[str, Any]) -> FeatureStore:
    config = RepoConfig(
        project=name,
        provider="local",
        registry=str(folder / f"{name}.db"),
        offline_store={"type": "cartwise.feast.OfflineStore", "lake": str(folder / "lake")},
        online_store=online,
        entity_key_serialization_version=3,
    )
    config.repo_path = folder
    store = FeatureStore(config=config)
    views = [*feature_views(SPECIFICATION), feature_service(SPECIFICATION)]
    store.apply([*entities(SPECIFICATION), *views])
    return store


def _measure(store: FeatureStore, carts: Sequence[dict[str, Any]]) -> np.ndarray:
    service = store.get_feature_service(FEATURE_SERVICE)
    seconds = []
    for cart in [*carts[:50], *carts]:
        start = time.perf_counter()
        store.get_online_features(features=service, entity_rows=[cart]).to_dict()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds[50:])


def _tell(name: str, seconds: np.ndarray) -> None:
    median, late = np.quantile(seconds, [0.5, 0.99]) * 1e3
    print(f"{name:<12} p50 {median:.2f} ms, p99 {late:.2f} ms, {len(seconds)} reads of one cart")


if __name__ == "__main__":
    sys.exit(main())
