"""Tiny feature stores: a lake of some events, and Feast's repository beside it."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import polars as pl
from feast import FeatureStore, RepoConfig
from hypothesis import strategies as st

from cartwise.data.lake import day_path, write_events
from cartwise.events import COLUMNS
from cartwise.feast.views import entities, feature_service, feature_views
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import Entity, Specification
from tests.logs import logs
from tests.reference import Event

SERVICE = "cart_conversion_v1"


def ingested_logs(*, late: bool = False) -> st.SearchStrategy[list[Event]]:
    """Logs as ingest leaves them: an empty text is none, which Feast's rows cannot tell apart."""
    return logs(late=late).map(
        lambda log: [replace(event, brand=event.brand or None) for event in log]
    )


def short_specification() -> Specification:
    """One that is not Cartwise's own."""
    return Specification((Entity("user", ("user_id",), ("7d",)),), ())


def write_lake(lake: Path, events: pl.DataFrame) -> Path:
    """Write events, in log order, as a lake."""
    dated = events.with_columns(day=pl.col("event_time").dt.date())
    for (day,), of_day in dated.group_by("day", maintain_order=True):
        write_events(day_path(lake, day), iter([of_day.select(COLUMNS)]))
    return lake


def repo_config(folder: Path, lake: Path, online: dict[str, object] | None = None) -> RepoConfig:
    config = RepoConfig(
        project="cartwise",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": "cartwise.feast.OfflineStore", "lake": str(lake)},
        online_store=online or {"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
        coerce_tz_aware=False,
    )
    config.repo_path = folder
    return config


def feature_store(
    folder: Path,
    lake: Path,
    online: dict[str, object] | None = None,
    specification: Specification = SPECIFICATION,
) -> FeatureStore:
    """A feature store to which everything was applied."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "registry.db").write_bytes(applied(specification))
    return FeatureStore(config=repo_config(folder, lake, online))


@cache
def applied(specification: Specification) -> bytes:
    """The registry of a store to which everything was applied: made once, for it takes long."""
    with TemporaryDirectory() as folder:
        store = FeatureStore(config=repo_config(Path(folder), Path("lake")))
        views = [*feature_views(specification), feature_service(specification)]
        store.apply([*entities(specification), *views])
        return Path(folder, "registry.db").read_bytes()


def rows_at(events: pl.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Entity rows that stand at events of a log of which every day is a file."""
    place = pl.int_range(pl.len()).over(pl.col("event_time").dt.date())
    chosen = events.with_columns(event_row=place)[rows]
    return chosen.rename({"event_time": "event_timestamp"}).drop("event_type").to_pandas()
