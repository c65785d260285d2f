"""Feast's offline store: the log replayed with the entity rows as probes."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import FeatureView, RepoConfig
from feast.data_source import DataSource
from feast.errors import FeastOfflineStoreUnsupportedDataSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores import offline_store
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel
from feast.utils import make_tzaware

from cartwise.disk import readable
from cartwise.feast.addresses import lake_of
from cartwise.feast.entity_rows import NO_EVENT, EntityRows
from cartwise.feast.errors import NotOurs
from cartwise.feast.history import seen_between, walk_lake
from cartwise.feast.lakes import Lake
from cartwise.feast.projections import Asked, asked_of, names_of
from cartwise.feast.retrieval import LogRetrieval, metadata_of
from cartwise.feast.source import TIMESTAMP, LogSource
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.probes import ProbeWalk, Readings
from cartwise.features.replay import Rows
from cartwise.features.spec import Entity

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


class OfflineStoreConfig(FeastConfigBaseModel):
    """The section ``offline_store`` of ``feature_store.yaml``."""

    type: Literal["cartwise.feast.OfflineStore"] = "cartwise.feast.OfflineStore"

    lake: str
    """Events that 'cartwise ingest' wrote: a folder, of which a relative path starts at the
    repository, or a copy of it at ``s3://bucket/path``."""

    s3_endpoint: str | None = None
    """S3 server that is not Amazon's, say ``${CARTWISE_S3_ENDPOINT}``; without that, Amazon's."""

    cache: str | None = None
    """Folder for copies of a bucket's days, as large as the lake; a relative path starts at the
    repository. Without it, nothing is kept, and each walk over the lake fetches it again."""


class OfflineStore(offline_store.OfflineStore):
    """Features as of any moment, computed from the log by the same core that serves them."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,  # noqa: FBT001, FBT002 - Feast's signature
        **_range: Any,
    ) -> LogRetrieval:
        """Add features to entity rows, each as of its own moment; rows stay as they are, in order.

        Raises:
            FeastError: see :meth:`EntityRows.of`; the job's result raises what the lake does.
        """
        if not isinstance(entity_df, pd.DataFrame):
            raise NotOurs(
                "features are read for the rows of a data frame: neither for SQL nor for a range "
                "of time alone; give entity_df as a pandas.DataFrame"
            )
        asked = asked_of(feature_views, feature_refs, full_feature_names=full_feature_names)
        rows = EntityRows.of(entity_df, {here for one in asked for here in one.join_keys})
        times = pd.to_datetime(rows.times, unit="s", utc=True)
        features = [name for one in asked for name in one.columns]
        return LogRetrieval(
            partial(_read_rows, lake_of(config), rows, asked, features),
            config.repo_path or Path(),
            metadata_of(feature_refs, [c for c in entity_df.columns if c not in features], times),
            full_feature_names=full_feature_names,
        )

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> LogRetrieval:
        """What is remembered, at their last event in a span, of all who had one.

        It holds their whole past, not the span alone, so that it can be stored in its place. A
        saved data set is read as it was saved.
        """
        span = (start_date or _EARLIEST, end_date or _LATEST)
        read: Callable[[], pa.Table]
        if isinstance(data_source, LogSource):
            entity = data_source.entity_of(SPECIFICATION)
            read = partial(_read_seen, lake_of(config), entity, feature_name_columns, span)
        elif isinstance(data_source, FileSource):
            columns = [*join_key_columns, *feature_name_columns, timestamp_field]
            read = partial(_read_file, config, data_source, columns, timestamp_field, span)
        else:
            raise FeastOfflineStoreUnsupportedDataSource(
                OfflineStore.__name__, type(data_source).__name__
            )
        return LogRetrieval(read, config.repo_path or Path())

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> LogRetrieval:
        """The same as :meth:`pull_all_from_table_or_query`: there is one row of each entity."""
        return OfflineStore.pull_all_from_table_or_query(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            start_date,
            end_date,
        )


def _read_rows(
    lake: Lake, rows: EntityRows, asked: Sequence[Asked], features: Sequence[str]
) -> pa.Table:
    """The entity rows with the features beside them; a column of the same name gives way."""
    questions = [(one.entity, rows.keys(one.entity.key, one.renamed)) for one in asked]
    read = _walk(lake, questions, rows.times, rows.event_rows)
    table = rows.table.drop_columns([c for c in rows.table.column_names if c in features])
    for one, values in zip(asked, read, strict=True):
        by_name = _columns(values, one.places)
        for name, column in zip(one.columns, by_name, strict=True):
            table = table.append_column(name, column)
    return table


def _read_seen(
    lake: Lake, entity: Entity, features: Sequence[str], span: tuple[datetime, datetime]
) -> pa.Table:
    """All who had an event in a span, with their features at the last one."""
    start, end = map(_second, span)
    seen = seen_between(lake, entity.key, start, end)
    times = seen["time"].to_numpy()
    values = _walk(lake, [(entity, seen)], times, np.full(len(times), NO_EVENT))[0]
    names = names_of(entity)
    moments = pl.from_epoch(seen["time"], "s").dt.replace_time_zone("UTC").dt.cast_time_unit("us")
    asked = _columns(values, [names.index(name) for name in features])
    columns = {
        **{name: seen[name].to_arrow() for name in entity.key},
        **dict(zip(features, asked, strict=True)),
        TIMESTAMP: moments.to_arrow(),
    }
    if not entity.key:
        columns[DUMMY_ENTITY_ID] = pa.array([DUMMY_ENTITY_VAL] * len(times))
    return pa.table(columns)


def _walk(
    lake: Lake, questions: Sequence[tuple[Entity, pl.DataFrame]], times: Rows, event_rows: Rows
) -> list[Readings]:
    columns = sorted({name for entity, _ in questions for name in entity.key})
    walk = ProbeWalk(SPECIFICATION, questions, times)
    walk_lake(lake, walk, columns, times, event_rows)
    return walk.readings()


def _columns(values: Readings, places: Sequence[int]) -> list[pa.Array]:
    """Some columns of readings, null where they are missing."""
    by_column = np.ascontiguousarray(values.T)
    return [pa.array(by_column[place], from_pandas=True) for place in places]


def _second(moment: datetime) -> int:
    seconds: float = make_tzaware(moment).timestamp()
    return math.floor(seconds)


def _read_file(
    config: RepoConfig,
    source: FileSource,
    columns: Sequence[str],
    timestamp: str,
    span: tuple[datetime, datetime],
) -> pa.Table:
    """The rows of a saved data set within a span."""
    place = FileSource.get_uri_for_file_path(config.repo_path, source.path)
    with readable(Path(place)):
        table = pq.read_table(place, columns=list(columns))
    start, end = (pa.scalar(make_tzaware(moment)) for moment in span)
    times = table[timestamp]
    return table.filter(pc.and_(pc.greater_equal(times, start), pc.less_equal(times, end)))
