"""Files that change without anybody having meant it."""

from pathlib import Path

import pyarrow.parquet as pq

from cartwise.events import EVENT_SCHEMA


def flip_bit(file: Path, place: int) -> None:
    """Turn one bit around; ``place`` may count from the end."""
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def break_column(file: Path, name: str) -> None:
    """Overwrite the begin of a column of a Parquet file, so that it cannot be read."""
    group = pq.read_metadata(file).row_group(0)
    [column] = [c for c in map(group.column, range(len(EVENT_SCHEMA))) if c.path_in_schema == name]
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(file.read_bytes())
    data[start : start + 100] = b"\xff" * 100
    file.write_bytes(data)
