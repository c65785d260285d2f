"""A training set whose vectors are fetched through the feature service."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
from feast import FeatureStore

from cartwise.checksums import require_all_as_written
from cartwise.data.day_files import write_carts
from cartwise.disk import readable, writable
from cartwise.feast.addresses import lake_of
from cartwise.feast.entity_rows import EVENT_ROW
from cartwise.feast.errors import FeatureStoreError, in_terms_of_feast
from cartwise.feast.lakes import Lake
from cartwise.feast.repository import feature_service, open_repository
from cartwise.feast.source import TIMESTAMP
from cartwise.feast.vectors import vectors
from cartwise.features.catalogue import SPECIFICATION
from cartwise.model.manifest import REBUILD, Manifest
from cartwise.parts import MANIFEST, PARTS
from cartwise.progress import SILENT, Progress

CARTS_AT_A_TIME: Final = 200_000
"""So many carts are fetched in one walk over the log; their readings take about half a gigabyte."""


@contextmanager
def fetched(training: Path, repository: Path, *, progress: Progress = SILENT) -> Iterator[Path]:
    """A copy of a training set with the vectors that Feast gives for its carts, while it lasts.

    Carts, outcomes and parts are those of ``training``; the lake is the feature store's own.

    Raises:
        RegistryUnusable: the feature store cannot be opened.
        LogUnusable: the feature store's lake cannot be read.
        FeatureStoreError: the training set was made of other events than the lake holds.
        InputError: ``training`` is no training set.
    """
    store = open_repository(repository)
    with in_terms_of_feast():
        _require_same_events(training, lake_of(store.config))
    with tempfile.TemporaryDirectory(prefix="cartwise-fetched-") as folder:
        fetch(training, Path(folder), store, progress=progress)
        yield Path(folder)


def fetch(training: Path, out: Path, store: FeatureStore, *, progress: Progress = SILENT) -> None:
    """Write the files of a training set to ``out``, their vectors fetched through Feast."""
    files = [file for part in PARTS for file in sorted((training / part).glob("*.parquet"))]
    require_all_as_written(training, files, REBUILD)
    carts = {file: _count(file) for file in files}
    with progress.task("fetch", sum(carts.values()), "cart") as advance:
        for some in _portions(files, carts):
            _fetch_files(some, training, out, store)
            advance(sum(carts[file] for file in some))
    with readable(training / MANIFEST), writable(out):
        shutil.copyfile(training / MANIFEST, out / MANIFEST)


def _count(file: Path) -> int:
    with readable(file, REBUILD):
        return int(pq.read_metadata(file).num_rows)


def _portions(files: Sequence[Path], carts: dict[Path, int]) -> Iterator[list[Path]]:
    portion: list[Path] = []
    for file in files:
        if portion and sum(carts[one] for one in [*portion, file]) > CARTS_AT_A_TIME:
            yield portion
            portion = []
        portion.append(file)
    if portion:
        yield portion


def _fetch_files(files: Sequence[Path], training: Path, out: Path, store: FeatureStore) -> None:
    with readable(training, REBUILD):
        frames = [pl.read_parquet(file, glob=False) for file in files]
    fresh = _with_vectors(pl.concat(frames), store)
    start = 0
    for file, frame in zip(files, frames, strict=True):
        place = out / file.relative_to(training)
        with writable(place):
            place.parent.mkdir(exist_ok=True)
            write_carts(place, fresh.slice(start, frame.height).rechunk().to_arrow())
        start += frame.height


def _with_vectors(carts: pl.DataFrame, store: FeatureStore) -> pl.DataFrame:
    kept = carts.drop(SPECIFICATION.vector)
    job = store.get_historical_features(
        entity_df=_entity_rows(kept), features=feature_service(store)
    )
    features = pl.DataFrame(
        vectors(job.to_arrow()), schema=list(SPECIFICATION.vector), orient="row"
    )
    return pl.concat([kept, features], how="horizontal")


def _entity_rows(carts: pl.DataFrame) -> pd.DataFrame:
    """Rows that stand at their cart events, each at its place in its day's file."""
    rows = carts.rename({"cart_time": TIMESTAMP, "row": EVENT_ROW}).drop("label", "category_code")
    # Arrow's types keep integers beside nulls; pandas' own would round ids.
    return rows.to_pandas(use_pyarrow_extension_array=True)


def _require_same_events(training: Path, lake: Lake) -> None:
    made_of = Manifest.read(training).data_version
    if (version := lake.version()) != made_of:
        raise FeatureStoreError(
            f"the training set in {training} was made of other events ({made_of}) than the feature "
            f"store's lake {lake} holds ({version}): build it again with 'cartwise features'"
        )
