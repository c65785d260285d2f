"""The training set as the model reads it: parts of labelled carts with vectors, and a manifest.

Layout: ``manifest.json`` and ``<part>/*.parquet``, rows in the order of cart time. Beside the
columns that name a cart, every feature is one float32 column in the manifest's order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final, Self

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cartwise.checksums import require_all_as_written
from cartwise.disk import readable
from cartwise.errors import InputError
from cartwise.model.columns import LABEL, require_columns, require_labels
from cartwise.model.manifest import REBUILD, Manifest, PartName

BATCH_ROWS: Final = 65_536


@dataclass(frozen=True)
class TrainingSet:
    """A training set folder, opened: only the manifest is read until a part is asked for."""

    path: Path
    manifest: Manifest
    _checked: set[PartName] = field(default_factory=set, repr=False, compare=False)
    _kept: Mapping[PartName, Sequence[pl.DataFrame]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a folder; raises InputError where it is no training set, or a damaged one."""
        return cls(path, Manifest.read(path))

    def batches(
        self, part: PartName, columns: Sequence[str] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[pl.DataFrame]:
        """A part in frames of at most ``rows`` carts, in order; ``columns`` None: every column."""
        wanted = None if columns is None else list(dict.fromkeys(columns))
        if part in self._kept:
            for frame in self._kept[part]:
                yield from frame.select(wanted or pl.all()).iter_slices(rows)
        else:
            for file in self._files(part):
                yield from self._batches(file, wanted, rows)

    def _batches(self, file: Path, wanted: list[str] | None, rows: int) -> Iterator[pl.DataFrame]:
        with readable(file, REBUILD), pq.ParquetFile(file) as parquet:
            require_columns(file, parquet.schema_arrow, wanted or self.manifest.feature_names)
            for batch in parquet.iter_batches(rows, columns=wanted):
                frame = pl.DataFrame(batch)
                require_labels(file, frame)
                yield frame

    def kept(self, *parts: PartName) -> Self:
        """The same, with some parts in memory, for whoever reads their few carts often."""
        return replace(self, _kept={part: list(self.batches(part)) for part in parts})

    def columns(self, part: PartName, names: Sequence[str]) -> pl.DataFrame:
        """Some columns of a whole part."""
        if part in self._kept:
            return pl.concat(self._kept[part]).select(names)
        return pl.concat(self._columns(file, list(names)) for file in self._files(part))

    def sample(
        self, parts: Sequence[PartName], carts: int, chosen: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Vectors and labels of ``carts`` carts all over these parts, or all over the ``chosen``
        (carts,) of them; of all where they are no more."""
        total = sum(map(self.manifest.carts, parts))
        wanted = np.ones(total, dtype=np.bool_) if chosen is None else chosen.copy()
        among = int(wanted.sum())
        share = min(1.0, carts / max(1, among))
        wanted[wanted] = np.diff(np.floor(share * np.arange(among + 1))) > 0
        columns = [*self.manifest.feature_names, LABEL]
        frames, past = [], 0
        for frame in chain.from_iterable(self.batches(part, columns) for part in parts):
            first, past = past, past + frame.height
            frames.append(frame.filter(wanted[first:past]))
        sample = pl.concat(frames)
        return self.vectors(sample), labels(sample)

    def vectors(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """The vectors of a frame's carts: (carts, features), missing is NaN."""
        names = self.manifest.feature_names
        matrix = frame.select(pl.col(names).cast(pl.Float32)).to_numpy(order="c")
        return np.ascontiguousarray(matrix, dtype=np.float32)

    def _columns(self, file: Path, names: list[str]) -> pl.DataFrame:
        with readable(file, REBUILD):
            require_columns(file, pq.read_schema(file), names)
            frame = pl.read_parquet(file, columns=names, glob=False)
        require_labels(file, frame)
        return frame

    def _files(self, part: PartName) -> list[Path]:
        files = sorted((self.path / part).glob("*.parquet"))
        carts = sum(map(_rows_of, files))
        if not files or carts != self.manifest.carts(part):
            raise InputError(
                f"'{self.path / part}' holds {carts} carts, and its manifest says "
                f"{self.manifest.carts(part)}: {REBUILD}"
            )
        self._require_as_written(part, files)
        return files

    def _require_as_written(self, part: PartName, files: Sequence[Path]) -> None:
        """Hold the files of a part against their checksums, once; raises InputError."""
        if part not in self._checked:
            require_all_as_written(self.path, files, REBUILD)
            self._checked.add(part)


def _rows_of(file: Path) -> int:
    with readable(file, REBUILD):
        return int(pq.read_metadata(file).num_rows)


def labels(frame: pl.DataFrame) -> NDArray[np.float64]:
    """The labels of a frame's carts as 0.0 and 1.0: (carts,)."""
    return frame[LABEL].to_numpy().astype(np.float64)
