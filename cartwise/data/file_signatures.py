"""What a file is that is no CSV of events, told by its first bytes or by its columns."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Final

from cartwise.errors import InputError
from cartwise.events import COLUMNS

_MAGIC: Final[Mapping[bytes, str]] = {
    b"\x89PNG": "a PNG picture: give a file with events",
    b"\xff\xd8\xff": "a JPEG picture: give a file with events",
    b"GIF8": "a GIF picture: give a file with events",
    b"%PDF": "a PDF document: give a file with events",
    b"PK\x03\x04": "a zip archive or a workbook: unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save it as CSV",
    b"SQLite format 3\0": "an SQLite database: export its table as CSV",
    b"BZh": "compressed by bzip2: unpack it",
    b"\xfd7zXZ\0": "compressed by xz: unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x1f\x8b": "compressed twice: unpack it once",
    b"\x28\xb5\x2f\xfd": "compressed twice: unpack it once",
    b"PAR1": "compressed Parquet: unpack it",
    b"ORC": "an ORC file: save it as Parquet",
    b"Obj\x01": "an Avro file: save it as Parquet",
    b"\xff\xfe": "text in UTF-16: save it in UTF-8",
    b"\xfe\xff": "text in UTF-16: save it in UTF-8",
    b"{": "JSON: save it as CSV",
    b"[": "JSON: save it as CSV",
    b"<": "HTML or XML: save it as CSV",
}
_TAR: Final = slice(257, 262)
_LONGEST_NAMES: Final = 300

RECIPES: Final = "docs/your-log.md shows how to translate a log of another kind"
"""What an error ends with where a log is one, but not of ours."""

_SEPARATORS: Final[Mapping[str, str]] = {";": "semicolons", "\t": "tabs", "|": "bars"}


def kind_of(start: bytes) -> str | None:
    """What a file is that begins so, and what to do; None for what may be lines of text."""
    if start[_TAR] == b"ustar":
        return "a tar archive: unpack it"
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def oddity_of(line: bytes) -> str:
    """What is odd about a first line that is neither an event nor a header of ours."""
    if b"\0" in line:
        return "it holds bytes that are no text in UTF-8: give a file with events in UTF-8"
    if b"\r" in line.removesuffix(b"\r"):
        return "its lines end in CR alone, as on old Macs: end them in LF or CRLF"
    text = line.decode("utf-8", "replace")
    for separator, name in _SEPARATORS.items():
        if alike([field.strip(' "\r') for field in text.split(separator)]):
            return f"its fields are separated by {name}, not by commas; {RECIPES}"
    return (
        f"its first line, '{_printable(text)[:60]}', is neither an event nor a header with the "
        f"columns {','.join(COLUMNS)}; {RECIPES}"
    )


def alike(names: Iterable[str]) -> dict[str, str]:
    """By column, the name that is there for it, but for capitals and blanks."""
    plain = {name.strip().lower(): name for name in names}
    return {column: plain[column] for column in COLUMNS if column in plain}


def require_columns(names: list[str], path: Path, needed: Sequence[str] = COLUMNS) -> None:
    """Check that all columns that are needed are there and no name is repeated.

    Raises:
        InputError: otherwise; it names the columns, and those that are there.
    """
    missing = [name for name in needed if name not in names]
    found = alike(names)
    if renamed := [f"'{found[name]}' to {name}" for name in missing if name in found]:
        raise InputError(
            f"{path} has columns that differ from ours by capitals or blanks: "
            f"rename {', '.join(renamed)}"
        )
    if missing:
        raise InputError(
            f"{path} lacks the column(s) {', '.join(missing)}: add or rename them; "
            f"it has {shorten(', '.join(names), _LONGEST_NAMES, placeholder=' …') or 'none'}; "
            f"{RECIPES}"
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{path} has more than one column {repeated[0]!r}: name columns apart")


def _printable(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable() and sign != "\ufffd")
