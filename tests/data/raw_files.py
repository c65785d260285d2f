"""Files of events as shops have them, clean and dirty, in every format; and whole folders."""

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from cartwise.events import COLUMNS

FORMATS = (".csv", ".csv.gz", ".csv.zst", ".parquet")

Row = dict[str, str]
"""The nine fields as text, empty where there is nothing."""

DEFAULT: Row = {
    "event_time": "2019-10-01 00:00:00 UTC",
    "event_type": "view",
    "product_id": "1004856",
    "category_id": "2053013555631882655",
    "category_code": "electronics.smartphone",
    "brand": "samsung",
    "price": "130.76",
    "user_id": "541312140",
    "user_session": "72d76fde-8bb3-4e00-8c23-a032dfed738c",
}


def event(**fields: str) -> Row:
    """An event that differs from the default one in these fields."""
    return {**DEFAULT, **fields}


def at(time: str, **fields: str) -> Row:
    """An event at a time of 2019-10-01."""
    return event(event_time=f"2019-10-01 {time} UTC", **fields)


def line(row: Row, columns: Sequence[str] = COLUMNS, *, quoting: int = csv.QUOTE_MINIMAL) -> str:
    """A row as a line of CSV, without the line's end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="", quoting=quoting).writerow([row[name] for name in columns])
    return text.getvalue()


def write_text(path: Path, text: str | bytes) -> Path:
    """Write text, compressed as the path's ending says."""
    data = text if isinstance(text, bytes) else text.encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    if path.suffix == ".zst":
        data = pa.compress(data, codec="zstd", asbytes=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_lines(path: Path, lines: Iterable[str | bytes]) -> Path:
    """Write a header and these lines."""
    as_bytes = (text if isinstance(text, bytes) else text.encode() for text in lines)
    return write_text(
        path, b"".join(row + b"\n" for row in (",".join(COLUMNS).encode(), *as_bytes))
    )


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows in the format that the path's ending names."""
    if path.suffix != ".parquet":
        return write_lines(path, map(line, rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    pl.DataFrame(columns, schema=dict.fromkeys(COLUMNS, pl.String)).write_parquet(path)
    return path


def files_of(out: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but for the report of the latest run."""
    files = (file for file in out.rglob("*") if file.is_file() and file.name != "ingest.json")
    return {str(file.relative_to(out)): file.read_bytes() for file in files}
