"""Ingest takes little memory for files that hold much more than their bytes."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwise.data import csv_blocks, lake, parquet_rows, spill
from cartwise.data.contract import check
from cartwise.data.csv_blocks import few_lines
from cartwise.data.lake import write_events
from cartwise.data.parquet_rows import batches, read_batch
from cartwise.data.spill import Spill
from tests.data.raw_files import event, write_lines, write_rows

MOST_MIB = 600


def taken_mib(file: Path) -> int:
    """By how much more memory an ingest of a file takes than one of a single event."""
    small = write_rows(file.parent / "small.csv", [event()])
    program = [sys.executable, "-m", "tests.data.peak_ingest", small, file, file.parent / "lake"]
    return int(subprocess.run(program, check=True, capture_output=True, text=True).stdout)


def shared_texts(path: Path, rows: int, **texts: list[str]) -> Path:
    """A Parquet file whose rows take these texts in turn, each of which it holds once."""
    columns = {
        name: pa.DictionaryArray.from_arrays(
            pa.array([row % len(values) for row in range(rows)], pa.int32()), values
        )
        for name, values in {**{name: [text] for name, text in event().items()}, **texts}.items()
    }
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("column", ["brand", "event_type"])
def test_a_long_text_that_all_rows_of_a_parquet_file_share(tmp_path: Path, column: str) -> None:
    file = shared_texts(tmp_path / "log.parquet", 2**16, **{column: ["x" * 20_000]})
    assert file.stat().st_size < 10**6
    assert taken_mib(file) < MOST_MIB


def test_blank_lines_by_the_million(tmp_path: Path) -> None:
    assert taken_mib(write_lines(tmp_path / "log.csv.gz", [b"\n" * 4_000_000])) < MOST_MIB


def test_parts_of_a_batch_are_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "_BATCH_BYTES", 1000)
    prices = [f"{price}.5" for price in range(11)]
    brands = ["", "x" * 400, "y" * 3000, "z" * 40]
    path = shared_texts(tmp_path / "log.parquet", 50, brand=brands, price=prices)
    read = [(first, batch.num_rows, read_batch(batch, first)) for first, batch in batches(path)]
    assert max(rows for _, rows, _ in read) < 10
    fields = pl.concat([rows.fields for _, _, rows in read])
    assert fields["line"].to_list() == list(range(1, 51))
    assert fields["brand"].fill_null("").to_list() == [brands[row % 4] for row in range(50)]
    assert fields["price"].to_list() == [prices[row % 11] for row in range(50)]


@given(text=st.lists(st.sampled_from([b"abcdef", b"\n"]), min_size=1, max_size=40).map(b"".join))
def test_a_block_is_parted_where_lines_end(text: bytes) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csv_blocks, "_MOST_LINES", 3)
        counts, parts = zip(*few_lines(text), strict=True)
    assert b"".join(parts) == text
    assert list(counts) == [len(part.splitlines()) for part in parts]
    assert max(counts) <= 3
    assert all(part.endswith(b"\n") for part in parts[:-1])


def test_events_with_long_texts_leave_memory_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "_CHUNK_BYTES", 2500)
    for brand, files in (("short", 0), ("x" * 1000, 2)):
        rows = pl.DataFrame([{**event(brand=brand), "line": row} for row in range(5)])
        held = Spill(tmp_path / brand[:5], 100)
        for _ in range(2):
            held.add(check(rows).events)
        assert len(list(tmp_path.glob(f"{brand[:5]}/*"))) == files


def test_long_texts_are_written_in_small_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake, "_ROW_GROUP_BYTES", 27_000)
    rows = pl.DataFrame([{**event(brand="x" * 1000), "line": row} for row in range(60)])
    write_events(tmp_path / "day.parquet", iter([check(rows).events]))
    assert pq.read_metadata(tmp_path / "day.parquet").num_row_groups == 3


def test_rows_are_taken_by_the_size_of_the_columns_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "_BATCH_BYTES", 10_000)
    path = tmp_path / "log.parquet"
    rows = pl.DataFrame([{**event(brand=f"{row:0300}"), "more": "x" * 9000} for row in range(90)])
    rows.write_parquet(path)
    assert 20 <= max(batch.num_rows for _, batch in batches(path)) <= 33
