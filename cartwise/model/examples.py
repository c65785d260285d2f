"""The training set as the model reads it: parts of labelled carts with vectors, and a manifest.

Layout: ``manifest.json`` and ``<part>/*.parquet``, rows in the order of cart time. Beside the
columns that name a cart, every feature is one float32 column in the manifest's order.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cartwise.disk import readable
from cartwise.errors import InputError

PartName = Literal["train", "validation", "calibration", "test"]

LEARNED_FROM: Final[tuple[PartName, ...]] = ("train", "validation", "calibration")
"""The parts that a model may learn from in the end, in order of time."""

LABEL: Final = "label"
REBUILD: Final = "delete the training set and build it again with 'cartwise features'"
BATCH_ROWS: Final = 65_536

Row = TypeVar("Row")


@dataclass(frozen=True)
class Part:
    """How many carts a part holds, how many were bought, and when they were filled (ISO times)."""

    carts: int
    positives: int
    first_cart: str
    last_cart: str


@dataclass(frozen=True)
class Day:
    """One day of the log: its mature carts, how many were bought, and the censored ones."""

    date: str
    carts: int
    positives: int
    censored: int


@dataclass(frozen=True)
class CensoredSpan:
    """A span of the log in which purchases were not recorded as usual (ISO times)."""

    start: str
    end: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """What a training set says of itself."""

    fingerprint: str
    feature_names: tuple[str, ...]
    horizon_seconds: int
    label_scope: str
    first_event: str
    last_event: str
    data_version: str
    parts: Mapping[str, Part]
    counts: Mapping[str, int]
    daily: Sequence[Day]
    censored_spans: Sequence[CensoredSpan]
    small: bool

    def carts(self, part: PartName) -> int:
        """Carts in a part; 0 where the training set has no such part."""
        return self.parts[part].carts if part in self.parts else 0

    @classmethod
    def parse(cls, facts: Mapping[str, Any]) -> Self:
        """Build a manifest from its JSON object; raises KeyError or TypeError where it is off."""
        kept = {field.name: facts[field.name] for field in fields(cls)}
        kept["feature_names"] = tuple(facts["feature_names"])
        kept["parts"] = {name: _row(Part, row) for name, row in facts["parts"].items()}
        kept["daily"] = [_row(Day, row) for row in facts["daily"]]
        kept["censored_spans"] = [_row(CensoredSpan, row) for row in facts["censored_spans"]]
        return cls(**kept)


def _row(kind: type[Row], facts: Mapping[str, Any]) -> Row:
    return kind(**{field.name: facts[field.name] for field in fields(kind)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class TrainingSet:
    """A training set folder, opened: only the manifest is read until a part is asked for."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a folder; raises InputError where it is no training set."""
        file = path / "manifest.json"
        try:
            return cls(path, Manifest.parse(json.loads(file.read_text())))
        except OSError as error:
            raise InputError(
                f"'{path}' is not a training set: {file.name} cannot be read "
                f"({error.strerror}); build one with: cartwise features"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"'{file}' is not the manifest of a training set ({error!r}); "
                "build the training set again with: cartwise features"
            ) from error

    def batches(
        self, part: PartName, columns: Sequence[str] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[pl.DataFrame]:
        """A part in frames of at most ``rows`` carts, in order; ``columns`` None: every column."""
        wanted = None if columns is None else list(dict.fromkeys(columns))
        for file in self._files(part):
            with readable(file, REBUILD), pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(rows, columns=wanted):
                    yield pl.DataFrame(batch)

    def columns(self, part: PartName, names: Sequence[str]) -> pl.DataFrame:
        """Some columns of a whole part."""
        files = self._files(part)
        with readable(self.path / part, REBUILD):
            return pl.concat(pl.read_parquet(f, columns=list(names), glob=False) for f in files)

    def vectors(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """The vectors of a frame's carts: (carts, features), missing is NaN."""
        names = self.manifest.feature_names
        matrix = frame.select(pl.col(names).cast(pl.Float32)).to_numpy(order="c")
        return np.ascontiguousarray(matrix, dtype=np.float32)

    def _files(self, part: PartName) -> list[Path]:
        files = sorted((self.path / part).glob("*.parquet"))
        with readable(self.path / part, REBUILD):
            carts = sum(pq.read_metadata(file).num_rows for file in files)
        if not files or carts != self.manifest.carts(part):
            raise InputError(
                f"'{self.path / part}' holds {carts} carts, and its manifest says "
                f"{self.manifest.carts(part)}: {REBUILD}"
            )
        return files


def labels(frame: pl.DataFrame) -> NDArray[np.float64]:
    """The labels of a frame's carts as 0.0 and 1.0: (carts,)."""
    return frame[LABEL].to_numpy().astype(np.float64)
