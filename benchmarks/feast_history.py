"""Figure: features of 100,000 entity rows, each as of its own moment, through Feast.

Feast's own stores join features that were computed before; here they hold, for every event and each
of its entities, what Cartwise computes for it. Neither this computation nor the writing of these
tables is counted for them.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from feast import Entity, FeatureService, FeatureStore, FeatureView, FileSource, RepoConfig

from benchmarks.contest import Contestant
from benchmarks.figure import Figure, require
from cartwise.data.lake import read_day, stored_days
from cartwise.feast.history import walk_lake
from cartwise.feast.lakes import FolderLake
from cartwise.feast.views import FEATURE_SERVICE, entities, feature_service, feature_views
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.probes import ProbeWalk
from cartwise.features.replay import times_of
from cartwise.features.spec import Entity as Remembered

ROWS: Final = 100_000
SEED: Final = 11
KEYS: Final = ("user_id", "product_id", "category_id", "brand", "user_session")
KEYED: Final = tuple(
    entity for entity in SPECIFICATION.entities if {"user_id", "user_session"} & {*entity.key}
)
"""Views of visitors and visits. Feast's DuckDB store joins an entity row with every earlier row of
its key before it drops all but the latest: for a brand, that takes more memory than there is."""

Requests = Sequence[Sequence[Remembered]]

CONTESTANTS = (
    Contestant("Cartwise", "benchmarks.feast_history_cartwise"),
    Contestant("Feast DuckDB", "benchmarks.feast_history_duckdb", "ibis", "bench"),
)


def names() -> list[str]:
    """The features that are compared."""
    return [name for entity in KEYED for name in entity.readings()]


def write_question(lake: Path, folder: Path) -> int:
    """Write entity rows, tables for Feast's own store, and both registries; how many rows."""
    folder.mkdir(parents=True)
    events = pl.concat([read_day(lake, day) for day in stored_days(lake)])
    keyed = np.flatnonzero(events["category_id"].is_not_null().to_numpy())
    chosen = np.random.default_rng(SEED).permutation(keyed)[:ROWS]
    asked = events[chosen].select(*KEYS, event_timestamp="event_time").with_row_index("row")
    asked.write_parquet(folder / "rows.parquet")
    for entity in KEYED:
        _table(lake, events, entity).write_parquet(folder / f"{entity.name}.parquet")
    ours = [*entities(SPECIFICATION), *feature_views(SPECIFICATION), feature_service(SPECIFICATION)]
    offline = {"type": "cartwise.feast.OfflineStore", "lake": str(lake)}
    store_of(folder, "cartwise", offline).apply(ours)
    apply_stock(folder, store_of(folder, "duckdb", {"type": "dask"}))
    return asked.height


def store_of(folder: Path, name: str, offline: dict[str, Any]) -> FeatureStore:
    """A feature store with a registry of its own."""
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(folder / f"{name}.db"),
        offline_store=offline,
        online_store=None,
        entity_key_serialization_version=3,
    )
    config.repo_path = folder
    return FeatureStore(config=config)


def apply_stock(folder: Path, store: FeatureStore) -> None:
    """Register the tables as Feast's users do."""
    by_column = {entity.name: entity for entity in entities(SPECIFICATION)}
    views = [_stock_view(folder, entity, [by_column[c] for c in entity.key]) for entity in KEYED]
    service = FeatureService(name=FEATURE_SERVICE, features=views)
    store.apply([*by_column.values(), *views, service])


def retrieve(store: FeatureStore, folder: Path, out: Path, requests: Requests) -> None:
    """Ask for the features of all rows, by some views at a time, and write them down."""
    rows = pl.read_parquet(folder / "rows.parquet")
    answers = [_ask(store, rows, request) for request in requests]
    pl.concat([rows.select("row"), *answers], how="horizontal").write_parquet(
        out / "features.parquet", compression="lz4"
    )


def _ask(store: FeatureStore, rows: pl.DataFrame, request: Sequence[Remembered]) -> pl.DataFrame:
    features = [f"{entity.name}:{name}" for entity in request for name in entity.readings()]
    answer = store.get_historical_features(entity_df=rows.to_pandas(), features=features)
    # Feast's own stores keep no order.
    table = pl.DataFrame(pl.from_arrow(answer.to_arrow())).sort("row")
    return table.select(name for entity in request for name in entity.readings())


def require_equal(ours: Path, theirs: Path) -> None:
    """Raise unless both have every row once, with the same values."""
    one, other = (pl.read_parquet(out / "features.parquet").sort("row") for out in (ours, theirs))
    require(one["row"].equals(other["row"]), "it lost or doubled rows")
    for name in names():
        mine, their = (frame[name].fill_null(np.nan).to_numpy() for frame in (one, other))
        equal = np.isclose(mine, their, rtol=1e-9, atol=1e-12, equal_nan=True)
        require(bool(equal.all()), f"{name} differs in {(~equal).sum():,} of {len(equal):,} rows")


def _table(lake: Path, events: pl.DataFrame, entity: Remembered) -> pl.DataFrame:
    """What an entity's states read as, after every second in which something happened to them."""
    moments = events.select(*entity.key, "event_time").drop_nulls().unique(maintain_order=True)
    times = times_of(moments)
    walk = ProbeWalk(SPECIFICATION, [(entity, moments)], times)
    walk_lake(FolderLake(lake), walk, entity.key, times, np.full(len(times), -1))
    readings = list(entity.readings())
    values = pl.DataFrame(walk.readings()[0][:, : len(readings)], schema=readings)
    table = pl.concat([moments, values.fill_nan(None)], how="horizontal")
    return table.rename({"event_time": "event_timestamp"})


def _stock_view(folder: Path, entity: Remembered, keys: Sequence[Entity]) -> FeatureView:
    view = next(view for view in feature_views(SPECIFICATION) if view.name == entity.name)
    wanted = {*entity.key, *entity.readings()}
    return FeatureView(
        name=entity.name,
        entities=list(keys),
        schema=[field for field in view.schema if field.name in wanted],
        source=FileSource(
            path=str(folder / f"{entity.name}.parquet"), timestamp_field="event_timestamp"
        ),
        ttl=timedelta(days=365),  # every row has a match at its own moment
    )


FIGURE = Figure(
    "feast-history",
    f"{len(names())} features of {len(KEYED)} views for entity rows, as of their moments",
    "rows",
    CONTESTANTS,
    require_equal,
    {"Feast DuckDB": 3.0},
)
