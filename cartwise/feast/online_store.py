"""Feast's online store: the store that stream and serving share, read as of now."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from feast import FeatureView, RepoConfig
from feast.infra.online_stores import online_store
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from pydantic import AwareDatetime

from cartwise.feast.addresses import store_url
from cartwise.feast.answers import Question, Request, StateReader
from cartwise.feast.errors import in_terms_of_feast
from cartwise.feast.projections import ask
from cartwise.feast.responses import FeatureRow, add_to_response, feature_rows
from cartwise.feast.writes import Row, StateWriter
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import AsyncStore, Store, open_async_store, open_store

_LOG: Final = logging.getLogger(__name__)

GroupedReferences: TypeAlias = Sequence[tuple[FeatureView, list[str]]]
"""Views, and which of their features are asked for."""

Columns: TypeAlias = Mapping[str, Sequence[Value]]
"""Join keys by column."""


class OnlineStoreConfig(FeastConfigBaseModel):
    """The section ``online_store`` of ``feature_store.yaml``."""

    type: Literal["cartwise.feast.OnlineStore"] = "cartwise.feast.OnlineStore"

    url: str
    """``redis://…`` or ``sqlite:///path``; a relative path starts at the repository."""

    as_of: AwareDatetime | None = None
    """Read as of this moment instead of now: for logs of the past."""

    def now(self) -> int:
        """The second as of which states are read, since the Unix epoch."""
        return int(self.as_of.timestamp() if self.as_of else time.time())


class OnlineStore(online_store.OnlineStore):
    """States of the store, decayed when they are read; all views in one round trip."""

    def __init__(self) -> None:
        self._stores: dict[str, Store] = {}
        self._async_stores: dict[str, AsyncStore] = {}

    @cached_property
    def _reader(self) -> StateReader:
        return StateReader(SPECIFICATION)

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        return SupportedAsyncMethods(read=True, write=True)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """Features of some keys of one view, as of now; None for whom the store does not know."""
        with in_terms_of_feast():
            request = self._request_for_keys(config, table, entity_keys, requested_features)
            return _rows(request, self._store(config).read(request.keys))

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[FeatureRow]:
        """As :meth:`online_read`, without waiting."""
        with in_terms_of_feast():
            request = self._request_for_keys(config, table, entity_keys, requested_features)
            return _rows(request, await self._async_store(config).read(request.keys))

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Replace states by those that read as the rows do at their timestamps.

        A row that is older than its state's last event is left out: the store knows more.
        """
        with in_terms_of_feast():
            StateWriter(SPECIFICATION, self._store(config)).write(table, data)
        if progress:
            progress(len(data))

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """As :meth:`online_write_batch`, in a thread."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    def update(self, *_facts: Any, **_named: Any) -> None:
        """Nothing is to be prepared for a view: a store takes every state of its specification."""

    def teardown(self, *_facts: Any, **_named: Any) -> None:
        """Leave the states: stream and serving live on them, and on their offsets."""
        _LOG.warning("the states are left in the store: they are not Feast's alone")

    async def close(self) -> None:
        """Close the connections of this process."""
        for store in self._stores.values():
            store.close()
        for async_store in self._async_stores.values():
            await async_store.close()

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: GroupedReferences,
        join_key_values: Columns,
        _entity_name_to_join_key_map: Mapping[str, str],
        online_features_response: GetOnlineFeaturesResponse,
        full_feature_names: bool,  # noqa: FBT001 - Feast's signature
        _include_feature_view_version_metadata: bool,  # noqa: FBT001
    ) -> None:
        """Answer for all views, after one read of the store."""
        with in_terms_of_feast():
            request = self._request_for_columns(
                config, grouped_refs, join_key_values, full_feature_names=full_feature_names
            )
            _fill(online_features_response, request, self._store(config).read(request.keys))

    async def _read_features_per_fv_async(
        self,
        config: RepoConfig,
        grouped_refs: GroupedReferences,
        join_key_values: Columns,
        _entity_name_to_join_key_map: Mapping[str, str],
        online_features_response: GetOnlineFeaturesResponse,
        full_feature_names: bool,  # noqa: FBT001 - Feast's signature
        _include_feature_view_version_metadata: bool,  # noqa: FBT001
    ) -> None:
        """As :meth:`_read_features_per_fv`, without waiting."""
        with in_terms_of_feast():
            request = self._request_for_columns(
                config, grouped_refs, join_key_values, full_feature_names=full_feature_names
            )
            states = await self._async_store(config).read(request.keys)
            _fill(online_features_response, request, states)

    def _request_for_keys(
        self,
        config: RepoConfig,
        view: FeatureView,
        keys: Sequence[EntityKey],
        features: Sequence[str] | None,
    ) -> Request:
        return self._request(config, [self._reader.question(view, features, keys)])

    def _request_for_columns(
        self,
        config: RepoConfig,
        references: GroupedReferences,
        columns: Columns,
        *,
        full_feature_names: bool,
    ) -> Request:
        asked = [
            ask(view, features, full_feature_names=full_feature_names)
            for view, features in references
        ]
        return self._request(config, self._reader.questions(asked, columns))

    def _request(self, config: RepoConfig, questions: Sequence[Question]) -> Request:
        return Request(self._reader, questions, config.online_store.now())

    def _store(self, config: RepoConfig) -> Store:
        url = store_url(config)
        if url not in self._stores:
            self._stores[url] = open_store(url, SPECIFICATION)
        return self._stores[url]

    def _async_store(self, config: RepoConfig) -> AsyncStore:
        url = store_url(config)
        if url not in self._async_stores:
            self._async_stores[url] = open_async_store(url, SPECIFICATION)
        return self._async_stores[url]


def _rows(request: Request, states: Sequence[bytes | None]) -> list[FeatureRow]:
    """The answer to a request of one view."""
    [(question, answer)] = request.answers(states)
    return feature_rows(question, answer)


def _fill(
    response: GetOnlineFeaturesResponse, request: Request, states: Sequence[bytes | None]
) -> None:
    for question, answer in request.answers(states):
        add_to_response(response, question, answer)
