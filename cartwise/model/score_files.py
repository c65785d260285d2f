"""Files of scores: Parquet, or CSV for whoever opens them in something else."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cartwise.errors import PlaceTaken, UsageError

SCHEMA: Final = pl.Schema(
    {
        "user_id": pl.Int64(),
        "product_id": pl.Int64(),
        "user_session": pl.String(),
        "cart_time": pl.Datetime("us", "UTC"),
        "probability": pl.Float64(),
        "model_version": pl.String(),
    }
)

Write = Callable[[pl.DataFrame], None]
"""Appends rows with the columns of ``SCHEMA``."""

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


def require_name(file: Path) -> None:
    """Raise UsageError unless a name tells which kind of file is meant, and PlaceTaken where
    something else than such a file is there."""
    suffix = _suffix(file)
    if file.exists() and not (file.is_file() and _is_ours(file, suffix)):
        kind = suffix.removeprefix(".")
        raise PlaceTaken(f"'{file}' exists and holds no scores as {kind}: choose another name")


@contextmanager
def open_scores(file: Path) -> Iterator[Write]:
    """Write a new file of the kind that its name tells, such as :func:`require_name` accepts."""
    with _WRITERS[_suffix(file)](file) as write:
        yield write


def _suffix(file: Path) -> str:
    name = file.name.lower()
    for suffix in _WRITERS:
        if name.endswith(suffix):
            return suffix
    raise UsageError(
        f"'{file}' does not tell how to write scores: let it end in {', '.join(_WRITERS)}"
    )


def _is_ours(file: Path, suffix: str) -> bool:
    try:
        if suffix == ".parquet":
            return list(pq.read_schema(file).names) == SCHEMA.names()
        with gzip.open(file) if suffix.endswith(".gz") else file.open("rb") as lines:
            return lines.readline(len(_HEADER)) == _HEADER
    except (OSError, EOFError, zlib.error, pa.ArrowException):
        return False


@contextmanager
def _parquet(file: Path) -> Iterator[Write]:
    with pq.ParquetWriter(file, pl.DataFrame(schema=SCHEMA).to_arrow().schema) as writer:
        yield lambda rows: writer.write_table(rows.to_arrow())


@contextmanager
def _csv(file: Path) -> Iterator[Write]:
    with file.open("wb") as out:
        out.write(_HEADER)
        yield partial(_append, out)


@contextmanager
def _csv_gz(file: Path) -> Iterator[Write]:
    # Neither name nor time: the same scores are the same bytes.
    with file.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as out:
        out.write(_HEADER)
        yield partial(_append, out)


def _append(out: BinaryIO | gzip.GzipFile, rows: pl.DataFrame) -> None:
    out.write(rows.write_csv(include_header=False, datetime_format=_TIME).encode())


_HEADER: Final = (",".join(SCHEMA.names()) + "\n").encode()

_WRITERS: Final[Mapping[str, Callable[[Path], AbstractContextManager[Write]]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".csv.gz": _csv_gz,
}
