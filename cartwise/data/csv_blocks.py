"""Comma-separated text, block by block: each line becomes a row of text fields or is malformed.

A row is one line. Quotes follow RFC 4180, except that a quoted field may not contain a line
break: otherwise one stray quote would swallow the lines after it.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from cartwise.data.contract import LINE, parse
from cartwise.data.raw_rows import REFUSED_TEXT_SCHEMA, TEXT, RawRows, without_empty_text
from cartwise.errors import InputError
from cartwise.events import COLUMNS

FIELDS_RULE: Final = "fields_match_header"
ENCODING_RULE: Final = "text_is_utf8"

LAYOUT_BYTES: Final = 65_536
"""So much of a file's start is enough to know its layout."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_FIELD: Final = r'(?:"(?:[^"]|"")*"|[^",]*)'
_TELLING: Final = ("event_time", "event_type", "product_id", "price", "user_id")


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...


@dataclass(frozen=True)
class Layout:
    """The columns of a text file in its own order, and whether its first line names them."""

    columns: tuple[str, ...]
    has_header: bool


def read_layout(start: bytes, path: Path) -> Layout:
    """Tell from the first bytes of a file whether its first line is a header or data.

    Raises:
        InputError: it is neither, or a header that lacks or repeats a column, or is all there is.
    """
    header, _, body = start.removeprefix(_BYTE_ORDER_MARK).partition(b"\n")
    fields = _split_line(header)
    if _is_event(fields):
        return Layout(COLUMNS, has_header=False)
    if not set(fields) & set(COLUMNS):
        raise InputError(
            f"{path} is not a CSV of events: its first line, {','.join(fields)[:60]!r}, is neither "
            f"an event nor a header with the columns {', '.join(COLUMNS)}"
        )
    require_columns(fields, path)
    if not body:
        raise InputError(f"{path} has a header but no rows: give a file with events")
    return Layout(tuple(fields), has_header=True)


def require_columns(names: list[str], path: Path) -> None:
    """Check that all nine columns are there and no name is repeated.

    Raises:
        InputError: otherwise; it names the columns.
    """
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise InputError(f"{path} lacks the column(s) {', '.join(missing)}: add or rename them")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{path} has more than one column {repeated[0]!r}: name columns apart")


def blocks(stream: Readable, block_bytes: int, path: Path) -> Iterator[bytes]:
    """Cut a stream into blocks of about ``block_bytes`` that end where a line ends.

    Raises:
        InputError: a line is longer than a block.
    """
    rest = b""
    while data := stream.read(block_bytes):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
        rest = data[end:] if end else rest + data
        if len(rest) > block_bytes:
            raise InputError(f"{path} has a line of over {block_bytes:,} bytes: it is not a CSV")
    if rest:
        yield rest


def bodies(whole: Iterator[bytes], layout: Layout) -> Iterator[bytes]:
    """The blocks of a file without its byte order mark and its header line."""
    first = next(whole, b"").removeprefix(_BYTE_ORDER_MARK)
    body = first.partition(b"\n")[2] if layout.has_header else first
    if body:
        yield body
    yield from whole


def read_block(block: bytes, columns: tuple[str, ...], first_line: int) -> RawRows:
    """Split a block of whole lines into rows of ``columns``.

    ``first_line`` is the number of the block's first line in its file.
    """
    text = _as_utf8(block)
    lines = _lines(text, first_line)
    rules = {FIELDS_RULE: _fields_match(lines, len(columns), quoted=b'"' in text)}
    if text is not block:
        rules[ENCODING_RULE] = _utf8_lines(block)
    intact = lines.select(pl.all_horizontal(rules.values())).to_series()
    if intact.all():
        return RawRows(_fields(text, lines, columns), pl.DataFrame(schema=REFUSED_TEXT_SCHEMA))
    rows = lines.filter(intact)
    fields = _fields("\n".join(rows[TEXT]).encode(), rows, columns)
    return RawRows(fields, _malformed(lines, rules).filter(~intact))


def _split_line(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").rstrip("\r")
    return [field.strip() for field in next(csv.reader([text]), [])]


def _is_event(fields: list[str]) -> bool:
    if len(fields) != len(COLUMNS):
        return False
    row = {name: [field or None] for name, field in zip(COLUMNS, fields, strict=True)}
    read = parse(
        pl.DataFrame({LINE: [1], **row}, schema_overrides=dict.fromkeys(COLUMNS, pl.String))
    )
    return sum(read[name][0] is not None for name in _TELLING) > len(_TELLING) // 2


def _as_utf8(block: bytes) -> bytes:
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


def _fields(text: bytes, lines: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    if lines.is_empty():
        return lines.with_columns(pl.lit(None, pl.String).alias(name) for name in COLUMNS)
    quoted = b'"' in text
    fields = pl.read_csv(
        text,
        has_header=False,
        schema=dict.fromkeys(columns, pl.String),
        quote_char='"' if quoted else None,
    ).select(COLUMNS)
    # Stacking fails unless there is exactly one row for each line.
    return lines.hstack(without_empty_text(fields) if quoted else fields)


def _malformed(lines: pl.DataFrame, rules: dict[str, pl.Series]) -> pl.DataFrame:
    broken = [pl.when(~holds).then(pl.lit(name)) for name, holds in rules.items()]
    names = pl.concat_list(broken).list.drop_nulls().alias("rules")
    return lines.select(LINE, names, TEXT)
