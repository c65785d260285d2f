"""Jobs that Feast hands to its users: they do their work when a result is asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from cartwise.feast.errors import NotOurs, in_terms_of_feast


class LogRetrieval(RetrievalJob):
    """A table that is read from the log when it is asked for.

    Args:
        read: makes the table.
        repository: folder of the feature repository, which relative paths start from.
        metadata: what Feast keeps with a saved data set.
        full_feature_names: whether a feature's name begins with its view's.
    """

    def __init__(
        self,
        read: Callable[[], pa.Table],
        repository: Path,
        metadata: RetrievalMetadata | None = None,
        *,
        full_feature_names: bool = False,
    ) -> None:
        self._read = read
        self._repository = repository
        self._metadata = metadata
        self._full_feature_names = full_feature_names

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> Sequence[OnDemandFeatureView]:
        """None, ever: their code would lie in the registry, and servers would run it."""
        return []

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        with in_terms_of_feast():
            return self._read()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,  # noqa: FBT001, FBT002 - Feast's signature
        timeout: int | None = None,
    ) -> None:
        """Write the table to a Parquet file, as Feast's saved data sets are.

        Raises:
            SavedDatasetLocationAlreadyExists: there is something already.
            NotOurs: the storage is no file.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise NotOurs(f"a data set of this store is saved to a file, not {storage}")
        place = Path(FileSource.get_uri_for_file_path(self._repository, storage.file_options.uri))
        if place.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(place))
        pq.write_table(self.to_arrow(timeout=timeout), place)


def metadata_of(features: Sequence[str], keys: Sequence[str], times: Any) -> RetrievalMetadata:
    """What a saved data set says of itself."""
    ends = (times.min(), times.max()) if len(times) else (None, None)
    return RetrievalMetadata(list(features), list(keys), *ends)
