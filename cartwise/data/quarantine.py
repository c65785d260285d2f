"""Rows that broke the contract, each with its file, its 1-based line there (row of a Parquet file),
the rules that it broke and its own text."""

from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import polars as pl
import pyarrow.parquet as pq

from cartwise.data.contract import LINE
from cartwise.data.raw_rows import TEXT
from cartwise.disk import readable

FOLDER: Final = "quarantine"

_ROW_GROUP_ROWS: Final = 65_536
_ROW_GROUP_BYTES: Final = 2**26
_NAME_BYTES: Final = 200
"""So much of a source's name leaves room for the rest in a file's name, which has 255 at most."""


def file_name(source: Path) -> str:
    """The quarantine file of a source: the same source always has the same one."""
    digest = sha256(str(source.resolve()).encode()).hexdigest()[:12]
    name = source.name.encode()[:_NAME_BYTES].decode(errors="ignore")
    return f"{name}-{digest}.parquet"


class Quarantine:
    """Writes the refused rows of one source and counts them; without any, there is no file."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.rows = 0
        self._path = folder / file_name(source)
        self._source = source
        self._held: list[pl.DataFrame] = []
        self._held_rows = self._held_bytes = 0
        self._writer: Any = None

    def add(self, refused: pl.DataFrame) -> None:
        """Take rows of ``REFUSED_TEXT_SCHEMA``."""
        self.rows += refused.height
        self._held.append(refused)
        self._held_rows += refused.height
        self._held_bytes += int(refused.estimated_size())
        if self._held_rows >= _ROW_GROUP_ROWS or self._held_bytes >= _ROW_GROUP_BYTES:
            self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self._held_rows:
            self._write()
        if self._writer is not None:
            self._writer.close()

    def _write(self) -> None:
        source = pl.lit(str(self._source)).alias("source")
        rows = pl.concat(self._held).select(source, LINE, "rules", TEXT).sort(LINE).to_arrow()
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, rows.schema, compression="zstd")
        self._writer.write_table(rows)
        self._held, self._held_rows, self._held_bytes = [], 0, 0


class Broken(NamedTuple):
    """A rule, how many rows broke it, and the first of them."""

    rule: str
    rows: int
    source: str
    line: int
    text: str


def most_broken(lake: Path) -> Broken | None:
    """The rule that most of a lake's refused rows broke, whichever ingest it was; None of no rows.

    Raises:
        InputError: the quarantine is damaged.
    """
    files = sorted((lake / FOLDER).glob("*.parquet"))
    if not files:
        return None
    with readable(lake / FOLDER):
        rows = pl.scan_parquet(files, glob=False, hive_partitioning=False)
        by_rule = rows.select("rules").explode("rules").group_by("rules").len()
        most = by_rule.sort("len", "rules", descending=[True, False]).head(1)
        rule, count = most.collect(engine="streaming").row(0)
        breaking = rows.filter(pl.col("rules").list.contains(rule)).select("source", LINE, TEXT)
        return Broken(rule, count, *breaking.head(1).collect().row(0))
