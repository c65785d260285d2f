"""Event files: finding them, telling their formats, and reading them as streams of raw rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal

import pyarrow as pa

from cartwise.data import csv_blocks, parquet_rows
from cartwise.data.csv_blocks import Layout
from cartwise.data.disk import readable
from cartwise.data.lake import row_count
from cartwise.data.raw_rows import RawRows
from cartwise.errors import InputError
from cartwise.events import COLUMNS
from cartwise.progress import Advance

Format = Literal["text", "gzip", "zstd", "parquet"]

SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".parquet")
"""Endings of the files that are taken from a folder; a file given by name may have any."""

_MAGIC: Final[dict[bytes, Format]] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "parquet",
}
_BLOCK_BYTES: Final = 32 * 2**20


@dataclass(frozen=True)
class Source:
    """An event file that was looked into: its format and columns are known to be right."""

    path: Path
    format: Format
    size_bytes: int
    layout: Layout

    @property
    def ignored_columns(self) -> tuple[str, ...]:
        """Its columns beside the nine."""
        return tuple(name for name in self.layout.columns if name not in COLUMNS)


def find_sources(paths: Sequence[Path]) -> tuple[Source, ...]:
    """Look into files, and into the files in folders, in the order given.

    A folder stands for the event files below it, sorted by path. A file that is met twice is
    read once.

    Raises:
        InputError: a path is missing, holds no event files, or a file is not one.
    """
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise InputError("no source was given: name at least one event file or folder")
    return tuple(inspect(file) for file in {file.resolve(): file for file in files}.values())


def inspect(path: Path) -> Source:
    """Look into one file.

    Raises:
        InputError: it cannot be read, is empty, or does not hold the nine columns.
    """
    with readable(path):
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
        if not start:
            raise InputError(f"{path} is empty: give a file with events")
        kind = _format(start)
        layout = _parquet_layout(path) if kind == "parquet" else _text_layout(path, kind)
    return Source(path, kind, size_bytes, layout)


def read(source: Source, advance: Advance) -> Iterator[RawRows]:
    """Yield all rows of a source in order; ``advance`` is told the bytes of the file passed.

    Raises:
        InputError: the file ends too early, is damaged, or cannot be read.
    """
    with readable(source.path):
        if source.format == "parquet":
            yield from parquet_rows.read_batches(source.path)
            advance(source.size_bytes)
        else:
            yield from _text_rows(source, advance)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    with readable(path):
        files = sorted(file for file in path.rglob("*") if _is_event_file(file.relative_to(path)))
    if not files:
        raise InputError(f"{path} holds no event files: they end in {', '.join(SUFFIXES)}")
    return [path / file for file in files]


def _is_event_file(path: Path) -> bool:
    return path.name.endswith(SUFFIXES) and not any(part.startswith(".") for part in path.parts)


def _format(start: bytes) -> Format:
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "text")


def _parquet_layout(path: Path) -> Layout:
    columns = parquet_rows.column_names(path)
    csv_blocks.require_columns(list(columns), path)
    if row_count(path) == 0:
        raise InputError(f"{path} has columns but no rows: give a file with events")
    return Layout(columns, has_header=True)


def _text_layout(path: Path, kind: Format) -> Layout:
    with path.open("rb") as raw:
        start = _stream(raw, kind).read(csv_blocks.LAYOUT_BYTES)
    if not start:
        raise InputError(f"{path} is empty: give a file with events")
    return csv_blocks.read_layout(start, path)


def _stream(raw: IO[bytes], kind: Format) -> Any:
    return raw if kind == "text" else pa.CompressedInputStream(pa.PythonFile(raw), kind)


def _text_rows(source: Source, advance: Advance) -> Iterator[RawRows]:
    line = 2 if source.layout.has_header else 1
    passed_bytes = 0
    with source.path.open("rb") as raw:
        blocks = csv_blocks.blocks(_stream(raw, source.format), _BLOCK_BYTES, source.path)
        for block in csv_blocks.bodies(blocks, source.layout):
            rows = csv_blocks.read_block(block, source.layout.columns, line)
            yield rows
            line += rows.height
            advance(raw.tell() - passed_bytes)
            passed_bytes = raw.tell()
