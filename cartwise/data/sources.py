"""Event files: finding them, telling their formats, and reading them piece by piece."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from gzip import GzipFile
from io import BufferedIOBase, BufferedReader
from itertools import chain, product
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import pyarrow as pa

from cartwise.data import csv_blocks, parquet_rows
from cartwise.data.csv_blocks import Layout
from cartwise.data.lake import row_count
from cartwise.data.raw_rows import RawRows
from cartwise.data.simulator.writing import TRUTH_FILE
from cartwise.disk import is_utf8, readable
from cartwise.errors import InputError, UsageError
from cartwise.events import COLUMNS
from cartwise.progress import Advance

Format = Literal["text", "gzip", "zstd", "parquet"]
Unit = Literal["line", "row"]

SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".parquet")
"""Endings of the files that are taken from a folder; a file given by name may have any."""

_MAGIC: Final[dict[bytes, Format]] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "parquet",
    # What some tools put before the first frame of Zstandard, to be skipped.
    **{bytes([sign]) + b"\x2a\x4d\x18": "zstd" for sign in range(0x50, 0x60)},
}
_BLOCK_BYTES: Final = 8 * 2**20
_DECOMPRESSED_BYTES: Final = 2**20


@dataclass(frozen=True)
class Source:
    """An event file that was looked into: its format and columns are known to be right."""

    path: Path
    format: Format
    size_bytes: int
    modified_ns: int
    layout: Layout

    @property
    def identity(self) -> list[Any]:
        """What tells it from any other file, and from itself once it changed."""
        return [str(self.path.resolve()), self.size_bytes, self.modified_ns]

    def require_unchanged(self) -> None:
        """Raise InputError if it was written to since: nobody knows what was read of it."""
        with readable(self.path):
            status = self.path.stat()
        if (status.st_size, status.st_mtime_ns) != (self.size_bytes, self.modified_ns):
            raise InputError(
                f"{self.path} changed while it was read: ingest it again once it is complete"
            )

    @property
    def unit(self) -> Unit:
        """What its rows are counted in."""
        return "row" if self.format == "parquet" else "line"

    @property
    def ignored_columns(self) -> tuple[str, ...]:
        """Its columns beside the nine."""
        return tuple(name for name in self.layout.columns if name not in COLUMNS)


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a source, in memory but not yet split into fields."""

    height: int
    """How many rows these are, counted without parsing them."""
    parse: Callable[[], RawRows]


def find_sources(
    paths: Sequence[Path], lake: Path | None, skip: Sequence[Path] = ()
) -> tuple[Source, ...]:
    """Look into files, and into the files in folders, in the order given.

    A folder stands for the event files below it, sorted by path, but for those of the lake that
    is to be written, if any, and of folders to skip. A file that is met twice is read once.

    Raises:
        InputError: a path is missing or holds no event files, a file is not one of events, or none
            has any row.
        UsageError: a path lies in the lake or in a folder to skip.
    """
    without = [*([lake] if lake is not None else []), *skip]
    for path, folder in product(paths, without):
        if _is_within(path, folder):
            raise UsageError(f"{path} lies in {folder}, which is written to: choose another folder")
    files = [file for path in paths for file in _files(path, without)]
    if not files:
        raise InputError("no source was given: name at least one event file or folder")
    sources = tuple(map(inspect, {os.path.realpath(file): file for file in files}.values()))
    if not any(source.layout.has_rows for source in sources):
        others = ", like all others given" if len(sources) > 1 else ""
        raise InputError(
            f"{sources[0].path} has columns but no rows{others}: give a file with events"
        )
    return sources


def inspect(path: Path) -> Source:
    """Look into one file.

    Raises:
        InputError: it cannot be read or named, is empty, or does not hold the nine columns.
    """
    with readable(path):
        status = path.stat()
        if not is_utf8(path.resolve()):
            raise InputError(f"{path} has a name that is not UTF-8: rename it")
        if not path.is_file():
            raise InputError(f"{path} is no file: name one, or a folder of files")
        with path.open("rb") as file:
            start = file.read(4)
        if not start:
            raise InputError(f"{path} is empty: give a file with events")
        kind = _format(start)
        layout = _parquet_layout(path) if kind == "parquet" else _text_layout(path, kind)
    return Source(path, kind, status.st_size, status.st_mtime_ns, layout)


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


def _is_within(path: Path, folder: Path) -> bool:
    # Unlike Path.resolve, it goes through a loop of links.
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _files(path: Path, without: Sequence[Path]) -> list[Path]:
    with readable(path):
        if not path.is_dir():
            return [path]
        files = sorted(filter(_is_event_file, _below(path)))
    files = [f for f in files if not any(_is_within(f, folder) for folder in without)]
    if not files:
        raise InputError(f"{path} holds no event files: they end in {', '.join(SUFFIXES)}")
    return files


def _below(folder: Path) -> Iterator[Path]:
    """What lies below a folder and is not hidden; a folder that may not be read is an error."""

    def refuse(error: OSError) -> NoReturn:
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _is_event_file(path: Path) -> bool:
    # The truth that lies beside a simulated log is no log.
    is_log = path.name.lower().endswith(SUFFIXES) and path.name != TRUTH_FILE
    return is_log and path.is_file()


def _format(start: bytes) -> Format:
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "text")


def _parquet_layout(path: Path) -> Layout:
    columns = parquet_rows.column_names(path)
    return Layout(columns, has_header=True, has_rows=row_count(path) > 0)


def _text_layout(path: Path, kind: Format) -> Layout:
    with path.open("rb") as raw:
        text = _stream(raw, kind)
        start = text.readline(_BLOCK_BYTES) + text.read(csv_blocks.LAYOUT_BYTES)
    if not start:
        raise InputError(f"{path} is empty: give a file with events")
    return csv_blocks.read_layout(start, path)


def _stream(raw: BufferedIOBase, kind: Format) -> BufferedIOBase:
    if kind == "text":
        return raw
    if kind == "gzip":
        # Arrow, a little faster, refuses the zeros that tapes and some tools leave at the end.
        return GzipFile(fileobj=raw)
    return BufferedReader(pa.CompressedInputStream(pa.PythonFile(raw), kind), _DECOMPRESSED_BYTES)


def _text_pieces(source: Source) -> Iterator[tuple[int, Piece]]:
    columns = source.layout.columns
    line = 2 if source.layout.has_header else 1
    with source.path.open("rb") as raw:
        blocks = csv_blocks.blocks(_stream(raw, source.format), _BLOCK_BYTES, source.path)
        bodies = csv_blocks.bodies(blocks, source.layout)
        for height, block in chain.from_iterable(map(csv_blocks.few_lines, bodies)):
            yield raw.tell(), Piece(height, partial(csv_blocks.read_block, block, columns, line))
            line += height


def _parquet_pieces(source: Source) -> Iterator[tuple[int, Piece]]:
    rows = row_count(source.path)
    for first_row, batch in parquet_rows.batches(source.path):
        passed_rows = first_row - 1 + batch.num_rows
        passed_bytes = source.size_bytes * passed_rows // rows
        piece = Piece(batch.num_rows, partial(parquet_rows.read_batch, batch, first_row))
        yield passed_bytes, piece
