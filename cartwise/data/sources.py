"""Event files: finding them, telling their formats, and reading them piece by piece."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import Final, Literal

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

Piece = Callable[[], RawRows]
"""A part of a file that is in memory, and is split into rows when it is called."""

SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".parquet")
"""Endings of the files that are taken from a folder; a file given by name may have any."""

_MAGIC: Final[dict[bytes, Format]] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "parquet",
}
_BLOCK_BYTES: Final = 4 * 2**20
_DECOMPRESSED_BYTES: Final = 2**20


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


def read(source: Source, advance: Advance) -> Iterator[Piece]:
    """Yield all of a source in order; ``advance`` is told the bytes of the file passed.

    Raises:
        InputError: the file ends too early, is damaged, or cannot be read.
    """
    pieces = _parquet_pieces if source.format == "parquet" else _text_pieces
    passed_bytes = 0
    with readable(source.path):
        for now_bytes, piece in pieces(source):
            yield piece
            advance(now_bytes - passed_bytes)
            passed_bytes = now_bytes


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


def _stream(raw: BufferedIOBase, kind: Format) -> BufferedIOBase:
    if kind == "text":
        return raw
    return BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw), kind), _DECOMPRESSED_BYTES)


def _text_pieces(source: Source) -> Iterator[tuple[int, Piece]]:
    columns = source.layout.columns
    line = 2 if source.layout.has_header else 1
    with source.path.open("rb") as raw:
        blocks = csv_blocks.blocks(_stream(raw, source.format), _BLOCK_BYTES, source.path)
        for block in csv_blocks.bodies(blocks, source.layout):
            yield raw.tell(), partial(csv_blocks.read_block, block, columns, line)
            line += csv_blocks.line_count(block)


def _parquet_pieces(source: Source) -> Iterator[tuple[int, Piece]]:
    rows = row_count(source.path)
    for first_row, batch in parquet_rows.batches(source.path):
        passed_rows = first_row - 1 + batch.num_rows
        passed_bytes = source.size_bytes * passed_rows // rows
        yield passed_bytes, partial(parquet_rows.read_batch, batch, first_row)
