"""The files of a training set, by fate and day; what did not change is linked, not rewritten."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cartwise.checksums import (
    SUMS,
    as_sums,
    digest_of,
    read_sums,
    recorded,
    require_all_as_written,
)
from cartwise.data.splits import FATES, Fates
from cartwise.disk import readable
from cartwise.documents import read_document
from cartwise.errors import InputError
from cartwise.events import EVENT_SCHEMA
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.replay import Values
from cartwise.parts import INDEX, PARTS

LABEL: Final = "label"
KEYS: Final = (
    "user_id",
    "product_id",
    "user_session",
    "cart_time",
    "category_id",
    "category_code",
    "brand",
    "price",
)
_ANEW: Final = "delete the training set and build it anew"


class DayOutcome(NamedTuple):
    """What became of a day's carts, in log order: arrays of shape (carts,)."""

    rows: NDArray[np.int64]
    bought: NDArray[np.bool_]
    fates: Fates

    def digest(self, fate: str, history: str) -> str:
        """Digest of the file with the carts of this fate, given that of the log up to the day."""
        chosen = self.fates == FATES.index(fate)
        digest = hashlib.sha256(f"{history} {_has_labels(fate)}".encode())
        digest.update(self.rows[chosen].tobytes())
        digest.update(self.bought[chosen].tobytes())
        return digest.hexdigest()

    def fates_present(self) -> list[str]:
        """The fates that any cart of the day has."""
        return [FATES[code] for code in np.unique(self.fates)]


def carts_table(carts: pl.DataFrame, rows: NDArray[np.int64], vectors: Values) -> pa.Table:
    """A day's carts with their place in the day's events and their vectors."""
    keys = carts.rename({"event_time": "cart_time"}).select(KEYS)
    row = pl.Series("row", rows, dtype=pl.UInt32)
    head = pl.concat([row.to_frame(), keys], how="horizontal").to_arrow()
    # A frame of hundreds of columns, and Arrow's table of it, cost three times as much.
    features = map(pa.array, np.ascontiguousarray(vectors.T))
    names = [*head.column_names, *SPECIFICATION.vector]
    return pa.Table.from_arrays([*head.columns, *features], names=names)


def write_carts(path: Path, carts: pa.Table) -> str:
    """Write the file of one day and fate; its bytes follow from the rows. Returns their SHA-256."""
    # A file of few carts costs what its hundreds of columns cost, not what its rows do: Arrow's
    # writer takes two thirds of the time that Polars's takes for them.
    text = [name for name in KEYS if EVENT_SCHEMA.get(name) == pl.String]
    # Written at once: a call of the system for each column costs a quarter of it all.
    content = pa.BufferOutputStream()
    pq.write_table(carts, content, compression="lz4", use_dictionary=text, write_statistics=False)
    written = content.getvalue()
    path.write_bytes(written)
    return hashlib.sha256(written).hexdigest()


def _no_carts() -> pl.DataFrame:
    vectors = np.empty((0, len(SPECIFICATION.vector)), dtype=np.float32)
    rows = np.empty(0, dtype=np.int64)
    return cast("pl.DataFrame", pl.from_arrow(carts_table(EVENT_SCHEMA.to_frame(), rows, vectors)))


def day_file(fate: str, day: date) -> str:
    """Path, within a training set, of the carts of a day that have this fate."""
    return f"{fate if fate in PARTS else f'left_out/{fate}'}/{day.isoformat()}.parquet"


def _files_of(training: Path, day: date) -> list[Path]:
    files = [training / day_file(fate, day) for fate in FATES]
    return [file for file in files if file.exists()]


def read_carts(training: Path, day: date) -> pl.DataFrame:
    """All carts of a day in log order, whatever became of them, without labels.

    Raises:
        InputError: a file is damaged, or not as it was written.
    """
    require_all_as_written(training, _files_of(training, day), _ANEW)
    with readable(training, _ANEW):
        frames = [pl.read_parquet(file, glob=False) for file in _files_of(training, day)]
        return pl.concat(frames).sort("row").drop(LABEL) if frames else _no_carts()


class DayFiles:
    """Writes the files of a training set into ``fresh``, with those of ``before`` at hand."""

    def __init__(self, fresh: Path, before: Path) -> None:
        self._fresh = fresh
        self._before = before
        self._known = {digest: path for path, digest in _read_index(before).items()}
        self._index: dict[str, str] = {}
        self._sums_before = read_sums(before, _ANEW)
        self._sums: dict[str, str] = {}

    def has_all(self, outcome: DayOutcome, history: str) -> bool:
        """Whether every file of a day is there already."""
        return all(outcome.digest(f, history) in self._known for f in outcome.fates_present())

    def link(self, day: date, outcome: DayOutcome, history: str) -> None:
        """Take the files of a day from the training set before."""
        for path, digest, _ in self._places(day, outcome, history):
            known = self._known[digest]
            os.link(self._before / known, path)
            before = recorded(self._before, known, self._sums_before, _ANEW)
            self._sums[str(path.relative_to(self._fresh))] = before or digest_of(path, _ANEW)

    def write(self, day: date, outcome: DayOutcome, history: str, carts: pa.Table) -> None:
        """Write the files of a day from its carts, as :func:`carts_table` gives them."""
        for path, _, fate in self._places(day, outcome, history):
            chosen = outcome.fates == FATES.index(fate)
            bought = outcome.bought[chosen].astype(np.uint8)
            labels = pa.array(bought) if _has_labels(fate) else pa.nulls(len(bought), pa.uint8())
            table = carts if chosen.all() else carts.filter(chosen)
            digest = write_carts(path, table.add_column(1 + len(KEYS), LABEL, labels))
            self._sums[str(path.relative_to(self._fresh))] = digest

    def finish(self) -> None:
        """Write the index by which the next build knows the files, and their checksums."""
        (self._fresh / SUMS).write_text(as_sums(self._sums))
        (self._fresh / INDEX).write_text(json.dumps(self._index, indent=1, sort_keys=True) + "\n")

    def _places(
        self, day: date, outcome: DayOutcome, history: str
    ) -> Iterator[tuple[Path, str, str]]:
        for fate in outcome.fates_present():
            name, digest = day_file(fate, day), outcome.digest(fate, history)
            self._index[name] = digest
            path = self._fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            yield path, digest, fate


def _has_labels(fate: str) -> bool:
    return not fate.startswith("censored")


def _read_index(training: Path) -> Mapping[str, str]:
    try:
        index = read_document(training / INDEX, dict[str, str], remedy="")
    except InputError:
        # Without it every file is written anew.
        return {}
    return {path: digest for path, digest in index.items() if (training / path).exists()}
