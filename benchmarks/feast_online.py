"""``python -m benchmarks.feast_online``: reads through Feast, ours beside its own Redis store.

Both hold the same features of the same carts in one Redis, and both are asked by Feast's SDK for
all features of one cart at a time. Ours are decayed when they are read; Feast's were computed as of
that moment and are as they were written. Their answers are compared before anything is measured.
Needs redis-server.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from feast import FeatureStore, RepoConfig
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.figure import require
from benchmarks.rawlog import raw_files, write_raw
from cartwise.data.ingest import ingest
from cartwise.data.lake import read_day, stored_days
from cartwise.feast.projections import names_of
from cartwise.feast.views import FEATURE_SERVICE, entities, feature_service, feature_views
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import open_store
from cartwise.streaming.materialize import materialize as load_states
from deploy.services.redis import Redis

EVENTS = 5_000
Reader = Callable[[dict[str, Any]], dict[str, Any]]

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
    end = events["event_time"].max().astimezone(UTC)
    where = urlsplit(url)
    ours = _store(folder, "ours", {"type": "cartwise.feast.OnlineStore", "url": url, "as_of": end})
    address = f"{where.hostname}:{where.port},password={where.password},db=1"
    theirs = _store(folder, "theirs", {"type": "redis", "connection_string": address})
    complete = events.drop_nulls(KEYS)
    rows = complete.sample(reads, with_replacement=True, seed=3).select(KEYS)
    states = open_store(url, SPECIFICATION)
    load_states(folder / "lake", None, states, horizon_seconds=3600, memory_bytes=10**9)
    states.close()
    _write(theirs, rows, end)
    carts = rows.to_dicts()
    readers = [_reader(store) for store in (ours, theirs)]
    for cart in carts:
        _require_equal(*(read(cart) for read in readers))
    features = sum(len(list(entity.readings())) for entity in SPECIFICATION.entities)
    views = len(SPECIFICATION.entities)
    print(f"All {features} features of {views} views are equal for {len(carts)} carts.")
    seconds = _measure(readers, carts)
    for name, times in zip(("Cartwise", "Feast Redis"), seconds, strict=True):
        _tell(name, times)
    print("Measured on " + ", ".join(f"{k} {v}" for k, v in machine.describe().items()))
    return 0


def _write(store: FeatureStore, carts: pl.DataFrame, end: datetime) -> None:
    """Write the features of some carts as of a moment, as a job that computes them would."""
    # The whole shop's last event is the log's: what is materialized is as of the end.
    store.materialize(end - timedelta(seconds=1), end, ["shop"])
    for entity in SPECIFICATION.entities:
        if not entity.key:
            continue
        who = carts.select(entity.key).unique().to_pandas().assign(event_timestamp=end)
        names = [f"{entity.name}:{name}" for name in names_of(entity)]
        rows = store.get_historical_features(entity_df=who, features=names).to_df()
        store.write_to_online_store(entity.name, rows)


def _require_equal(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    require(ours.keys() == theirs.keys(), "the stores answer other features")
    names = [name for name in ours if name not in KEYS]
    mine, their = (
        np.array([answer[name][0] for name in names], dtype=float) for answer in (ours, theirs)
    )
    equal = np.isclose(mine, their, rtol=1e-6, atol=1e-12, equal_nan=True)
    require(bool(equal.all()), f"{names[int(equal.argmin())]} differs between the stores")


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


def _reader(store: FeatureStore) -> Reader:
    """Reads all features of a cart, as a server does that has looked its service up."""
    service = store.get_feature_service(FEATURE_SERVICE)
    return lambda cart: store.get_online_features(features=service, entity_rows=[cart]).to_dict()


def _measure(readers: Sequence[Reader], carts: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """Wall and CPU seconds of each read, shape (readers, reads, 2); they take turns."""
    seconds = np.empty((len(readers), len(carts), 2))
    for i, cart in enumerate(carts):
        for which in (0, 1) if i % 2 else (1, 0):
            before = time.perf_counter(), time.process_time()
            readers[which](cart)
            seconds[which, i] = time.perf_counter() - before[0], time.process_time() - before[1]
    return seconds


def _tell(name: str, seconds: NDArray[np.float64]) -> None:
    """The fastest twentieth is what a read takes where nothing else wants the processor."""
    fast, median, late = np.quantile(seconds[:, 0], [0.05, 0.5, 0.99]) * 1e3
    busy = np.quantile(seconds[:, 1], 0.05) * 1e3
    print(
        f"{name:<12} p5 {fast:.2f} ms, p50 {median:.2f} ms, p99 {late:.2f} ms a read; "
        f"CPU p5 {busy:.2f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
