"""Comma-separated text, block by block: each line becomes a row of text fields or is malformed.

A row is one line. Quotes follow RFC 4180, except that a quoted field may not contain a line
break: otherwise one stray quote would swallow the lines after it.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Final

import polars as pl

from cartwise.data import file_signatures
from cartwise.data.contract import ENCODING_RULE, FIELDS_RULE, LINE, parse
from cartwise.data.raw_rows import REFUSED_TEXT_SCHEMA, TEXT, RawRows, without_empty_text
from cartwise.errors import InputError
from cartwise.events import COLUMNS

LAYOUT_BYTES: Final = 65_536
"""So much of a file after its first line is enough to know its layout."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_FIELD: Final = r'(?:"(?:[^"]|"")*"|[^",]*)'
_MOST_LINES: Final = 2**18
_TELLING: Final = ("event_time", "event_type", "product_id", "price", "user_id")


@dataclass(frozen=True)
class Layout:
    """The columns of a text file in its own order, whether its first line names them, and whether
    any row is there."""

    columns: tuple[str, ...]
    has_header: bool
    has_rows: bool = True


def read_layout(start: bytes, path: Path) -> Layout:
    """Tell from the first bytes of a file whether its first line is a header or data.

    Raises:
        InputError: it is neither, or a header that lacks or repeats a column.
    """
    if kind := file_signatures.kind_of(start):
        raise InputError(f"{path} is not a CSV of events but {kind}")
    header, _, body = _without_marks(start).partition(b"\n")
    fields = _split_line(header)
    if _is_event(fields):
        return Layout(COLUMNS, has_header=False)
    if not file_signatures.alike(fields):
        raise InputError(f"{path} is not a CSV of events: {file_signatures.oddity_of(header)}")
    file_signatures.require_columns(fields, path)
    return Layout(tuple(fields), has_header=True, has_rows=bool(body))


def blocks(stream: BufferedIOBase, block_bytes: int, path: Path) -> Iterator[bytes]:
    """Cut a stream into blocks of about ``block_bytes`` that end where a line ends.

    Raises:
        InputError: a line is longer than a block.
    """
    while start := stream.read(block_bytes):
        rest = b"" if start.endswith(b"\n") else stream.readline(block_bytes)
        if len(rest) == block_bytes:
            raise InputError(f"{path} has a line of over {block_bytes:,} bytes: it is not a CSV")
        yield start + rest if rest else start


def few_lines(block: bytes) -> Iterator[tuple[int, bytes]]:
    """A block, or parts of it that have so few lines that a frame of them stays small; each with
    how many it has."""
    if (lines := line_count(block)) <= _MOST_LINES:
        yield lines, block
        return
    half = len(block) // 2
    middle = 1 + (block.rfind(b"\n", 0, half) if b"\n" in block[:half] else block.find(b"\n"))
    yield from few_lines(block[:middle])
    yield from few_lines(block[middle:])


def bodies(whole: Iterator[bytes], layout: Layout) -> Iterator[bytes]:
    """The blocks of a file without its byte order marks and its header line."""
    first = _without_marks(next(whole, b""))
    body = first.partition(b"\n")[2] if layout.has_header else first
    if body:
        yield body
    yield from whole


def line_count(block: bytes) -> int:
    """How many lines a block holds, an unended last one included."""
    return block.count(b"\n") + (not block.endswith(b"\n"))


def read_block(block: bytes, columns: tuple[str, ...], first_line: int) -> RawRows:
    """Split a block of whole lines into rows of ``columns``.

    ``first_line`` is the number of the block's first line in its file.
    """
    fields = _read_intact(block, columns)
    if fields is None:
        return _read_by_line(block, columns, first_line)
    line = pl.int_range(first_line, first_line + pl.len(), dtype=pl.Int64).alias(LINE)
    malformed = pl.DataFrame(schema=REFUSED_TEXT_SCHEMA)
    return RawRows(fields.with_columns(line), malformed, partial(_lines, block, first_line))


def _without_marks(start: bytes) -> bytes:
    # Two of them are there where a tool puts one before a text that has one already.
    while start.startswith(_BYTE_ORDER_MARK):
        start = start.removeprefix(_BYTE_ORDER_MARK)
    return start


def _split_line(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").rstrip("\r")
    try:
        fields = next(csv.reader([text]), [])
    except csv.Error:
        # Lines that end in CR alone, or else a field of more signs than the module takes.
        fields = [text] if "\r" in text else text.split(",")
    return [field.strip() for field in fields]


def _is_event(fields: list[str]) -> bool:
    if len(fields) != len(COLUMNS):
        return False
    row = {name: [field or None] for name, field in zip(COLUMNS, fields, strict=True)}
    read = parse(
        pl.DataFrame({LINE: [1], **row}, schema_overrides=dict.fromkeys(COLUMNS, pl.String))
    )
    return sum(read[name][0] is not None for name in _TELLING) > len(_TELLING) // 2


def _read_intact(block: bytes, columns: tuple[str, ...]) -> pl.DataFrame | None:
    """The fields of a block in one go, or None if it holds a quote or any malformed line."""
    if b'"' in block or _as_utf8(block) is not block:
        return None
    try:
        fields = _fields(block, columns, quoted=False)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        # Some line has more fields than there are columns, or the first one has fewer.
        return None
    # A line that is too short lacks its last field: only then the commas have to be counted.
    commas = fields.height * (len(columns) - 1)
    may_be_short = fields[columns[-1]].null_count() > 0
    return None if may_be_short and block.count(b",") != commas else fields.select(COLUMNS)


def _read_by_line(block: bytes, columns: tuple[str, ...], first_line: int) -> RawRows:
    text = _as_utf8(block)
    lines = _lines(text, first_line)
    rules = {FIELDS_RULE: _fields_match(lines, len(columns), quoted=b'"' in text)}
    if text is not block:
        rules[ENCODING_RULE] = _utf8_lines(block)
    intact = lines.select(pl.all_horizontal(rules.values())).to_series()
    fields = _fields_of_lines(lines.filter(intact), columns)
    return RawRows(fields, _malformed(lines, rules).filter(~intact), lambda: lines)


def _as_utf8(block: bytes) -> bytes:
    if block.isascii():
        return block
    try:
        block.decode()
    except UnicodeDecodeError:
        return block.decode("utf-8", "backslashreplace").encode()
    return block


def _utf8_lines(block: bytes) -> pl.Series:
    return pl.Series([_as_utf8(line) is line for line in block.removesuffix(b"\n").split(b"\n")])


def _lines(text: bytes, first_line: int) -> pl.DataFrame:
    # Reading CSV whose separator is the line break is several times as fast as `scan_lines`.
    lines = pl.read_csv(
        text,
        has_header=False,
        schema={TEXT: pl.String},
        separator="\n",
        quote_char=None,
        empty_string_is_null=False,
    )
    return lines.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(LINE) + first_line)


def _fields_match(lines: pl.DataFrame, width: int, *, quoted: bool) -> pl.Series:
    if quoted:
        return lines[TEXT].str.contains(f"^{_FIELD}(?:,{_FIELD}){{{width - 1}}}$")
    return lines[TEXT].str.count_matches(",", literal=True) == width - 1


def _fields_of_lines(lines: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    if lines.is_empty():
        return pl.DataFrame(schema={LINE: pl.Int64, **dict.fromkeys(COLUMNS, pl.String)})
    fields = _fields("\n".join(lines[TEXT]).encode(), columns, quoted=True).select(COLUMNS)
    # Stacking fails unless there is exactly one row for each line.
    return lines.select(LINE).hstack(without_empty_text(fields))


def _fields(text: bytes, columns: tuple[str, ...], *, quoted: bool) -> pl.DataFrame:
    return pl.read_csv(
        text,
        has_header=False,
        schema=dict.fromkeys(columns, pl.String),
        quote_char='"' if quoted else None,
    )


def _malformed(lines: pl.DataFrame, rules: dict[str, pl.Series]) -> pl.DataFrame:
    broken = [pl.when(~holds).then(pl.lit(name)) for name, holds in rules.items()]
    names = pl.concat_list(broken).list.drop_nulls().alias("rules")
    return lines.select(LINE, names, TEXT)
