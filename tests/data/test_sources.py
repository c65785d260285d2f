import os
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cartwise.checksums import SUMS
from cartwise.data.ingest import ingest
from cartwise.data.lake import read_day
from cartwise.data.sources import find_sources, read
from cartwise.errors import InputError
from tests.commands import Commands
from tests.data.raw_files import (
    DEFAULT,
    FORMATS,
    at,
    event,
    line,
    write_lines,
    write_rows,
    write_text,
)
from tests.disks import closed

SKIPPED = b"\x57\x2a\x4d\x18\x05\0\0\0hello"
"""A frame that readers of Zstandard pass over (RFC 8878, 3.1.2)."""

ROWS = [at(f"00:00:{second:02d}", product_id=str(second)) for second in range(40)]


def typed(**fields: Any) -> pl.DataFrame:
    """One event with these fields as native values."""
    return pl.DataFrame({name: [value] for name, value in {**DEFAULT, **fields}.items()})


def names(paths: list[Path], lake: Path) -> list[str]:
    return [source.path.name for source in find_sources(paths, lake)]


def test_a_folder_stands_for_the_event_files_below_it(tmp_path: Path) -> None:
    for name in ("b.csv", "a/z.CSV.gz", "a/y.parquet", "c.csv.zst"):
        write_rows(tmp_path / name.lower(), ROWS).rename(tmp_path / name)
    for name in ("notes.txt", ".hidden.csv", ".git/c.csv", "truth.parquet"):
        write_text(tmp_path / name, "no events")
    (tmp_path / "folder.parquet").mkdir()
    write_rows(tmp_path / "folder.parquet" / "part-0.parquet", ROWS)
    found = names([tmp_path], tmp_path / "lake")
    assert found == ["y.parquet", "z.CSV.gz", "b.csv", "c.csv.zst", "part-0.parquet"]


def test_a_file_that_is_met_twice_is_read_once(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "log.csv", ROWS)
    (tmp_path / "link.csv").symlink_to(file)
    assert names([file, tmp_path, file], tmp_path / "lake") == ["log.csv"]


def test_the_lake_is_no_source_of_itself(tmp_path: Path) -> None:
    write_rows(tmp_path / "log.csv", ROWS)
    lake = tmp_path / "lake"
    assert [ingest([tmp_path], lake).rows_in for _ in range(2)] == [len(ROWS)] * 2
    (day,) = lake.glob("*/events.parquet")
    for own in (day, lake):
        with pytest.raises(InputError, match="which is written to: choose another"):
            ingest([own], lake)


def test_a_format_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    for ending in FORMATS:
        file = write_rows(tmp_path / f"log{ending}", ROWS).rename(tmp_path / "download")
        assert ingest([file], tmp_path / f"lake{ending}").rows_out == len(ROWS)


def test_extra_columns_are_left_out_and_told(tmp_path: Path) -> None:
    columns = ("referrer", *reversed(DEFAULT))
    text = [",".join(columns), *(line({"referrer": "x", **row}, columns) for row in ROWS)]
    report = ingest([write_text(tmp_path / "log.csv", "\n".join(text))], tmp_path / "lake")
    assert report.rows_out == len(ROWS)
    assert report.sources[0].ignored_columns == ("referrer",)


@pytest.mark.parametrize("ending", FORMATS)
def test_progress_ends_at_the_size_of_the_file(tmp_path: Path, ending: str) -> None:
    (source,) = find_sources([write_rows(tmp_path / f"log{ending}", ROWS)], tmp_path / "lake")
    passed: list[int] = []
    rows = sum(piece.height for piece in read(source, passed.append))
    assert (rows, sum(passed)) == (len(ROWS), source.size_bytes)


def test_concatenated_compressed_files_are_read_to_the_end(tmp_path: Path) -> None:
    for ending in (".csv.gz", ".csv.zst"):
        first = write_rows(tmp_path / f"log{ending}", ROWS)
        more = write_text(tmp_path / f"more{ending}", line(event(brand="last")) + "\n")
        first.write_bytes(first.read_bytes() + more.read_bytes())
        assert ingest([first], tmp_path / f"lake{ending}").rows_out == len(ROWS) + 1


@pytest.mark.parametrize(
    ("ending", "before", "after"),
    [
        (".csv", b"\xef\xbb\xbf" * 2, b""),
        (".csv.gz", b"", bytes(10_240)),
        (".csv.zst", SKIPPED, b""),
        (".csv.zst", b"", SKIPPED),
    ],
)
def test_what_tools_put_around_a_text_is_passed_over(
    tmp_path: Path, ending: str, before: bytes, after: bytes
) -> None:
    file = write_rows(tmp_path / f"log{ending}", ROWS)
    file.write_bytes(before + file.read_bytes() + after)
    assert ingest([file], tmp_path / "lake").rows_out == len(ROWS)


def damaged(ending: str, damage: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        file = write_rows(folder / f"log{ending}", ROWS)
        file.write_bytes(damage(file.read_bytes()))
        return file

    return make


def folder_with(name: str, text: str | bytes) -> Callable[[Path], Path]:
    return lambda folder: write_text(folder / name, text).parent


def parquet_with(**fields: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        typed(**fields).write_parquet(folder / "log.parquet")
        return folder / "log.parquet"

    return make


def parquet_of(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        file = write_rows(folder / "log.parquet", ROWS)
        pq.write_table(change(pq.read_table(file)), file)
        return file

    return make


def link_to(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "log.csv").symlink_to(name)
        return folder / "log.csv"

    return make


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "log.csv", "log.csv does not exist: check the path"),
    "folder without files": (folder_with("a.txt", "x"), "holds no event files: they end in .csv"),
    "empty": (lambda folder: write_text(folder / "log.csv", ""), "is empty"),
    "empty inside": (lambda folder: write_text(folder / "log.csv.gz", ""), "is empty"),
    "empty among others": (folder_with("log.csv", ""), "log.csv is empty"),
    "random": (
        folder_with("log.csv", np.random.default_rng(1).bytes(99_999)),
        "is not a CSV of events",
    ),
    "zeros": (folder_with("log.csv", bytes(99_999)), "is not a CSV of events"),
    "html": (folder_with("log.csv", "<!DOCTYPE html>\n<title>404"), "is not a CSV of events"),
    "random, compressed": (folder_with("log.csv.gz", b"\xff" * 99), "is not a CSV of events"),
    "gzip cut": (damaged(".csv.gz", lambda data: data[:-20]), "is damaged or cut short"),
    "gzip without end": (damaged(".csv.gz", lambda data: data[:-4]), "is damaged or cut short"),
    "gzip cut in its second member": (
        damaged(".csv.gz", lambda data: data + data[:-9]),
        "is damaged or cut short",
    ),
    "gzip before something else": (damaged(".csv.gz", lambda data: data + b"x"), "is damaged"),
    "gzip head": (damaged(".csv.gz", lambda data: data[:15]), "is damaged or cut short"),
    "gzip altered": (
        damaged(".csv.gz", lambda data: data[:60] + b"\xff" * 9 + data[69:]),
        "is damaged or cut short",
    ),
    "zstd cut": (damaged(".csv.zst", lambda data: data[:-20]), "is damaged or cut short"),
    "parquet cut": (damaged(".parquet", lambda data: data[:-20]), "is damaged or cut short"),
    "parquet altered": (
        damaged(".parquet", lambda data: data[:4] + b"\xff" * 200 + data[204:]),
        "is damaged or cut short",
    ),
    "header alone": (
        lambda folder: write_rows(folder / "log.csv.gz", []),
        "log.csv.gz has columns but no rows: give a file with events",
    ),
    "name twice": (
        parquet_of(lambda table: table.append_column("price", table["price"])),
        "log.parquet has more than one column 'price'",
    ),
    "another's name twice": (
        parquet_of(
            lambda table: table.append_column("x", table["price"]).append_column(
                "x", table["price"]
            )
        ),
        "log.parquet has more than one column 'x'",
    ),
    "other names": (
        parquet_of(lambda table: table.select(["price", "brand"])),
        "user_session: add or rename them; it has price, brand",
    ),
    "capitals and blanks": (
        parquet_of(lambda table: table.rename_columns({"brand": "BRAND", "price": " price"})),
        "by capitals or blanks: rename 'BRAND' to brand, ' price' to price",
    ),
    "loop of links": (link_to("log.csv"), "log.csv cannot be reached (Too many levels of"),
    "long name": (lambda folder: folder / ("n" * 300), "cannot be reached (File name too long)"),
    "name in Latin-1": (
        lambda folder: write_rows(folder / os.fsdecode(b"caf\xe9.csv"), ROWS),
        "has a name that is not UTF-8: rename it",
    ),
    "ids with fractions": (
        parquet_with(user_id=1.0),
        "has the column user_id as double: write it as Int64 or as text",
    ),
    "dates": (
        parquet_with(event_time=date(2019, 10, 1)),
        "has the column event_time as date32",
    ),
    "lists": (parquet_with(brand=["a"]), "has the column brand as large_list<"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(InputError) as refused:
        ingest([make(tmp_path / "raw")], tmp_path / "lake")
    told = str(refused.value)
    assert message in told
    assert told.startswith(str(tmp_path / "raw"))
    assert "\n" not in told
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("ending", FORMATS)
def test_files_without_rows_are_passed_over_and_told(
    cartwise: Commands, tmp_path: Path, ending: str
) -> None:
    for day in (1, 2, 4):
        write_rows(tmp_path / f"raw/{day}{ending}", [])
    with pytest.raises(InputError, match=f"1{ending} has columns but no rows, like all others"):
        ingest([tmp_path / "raw"], tmp_path / "lake")
    write_rows(tmp_path / f"raw/3{ending}", ROWS)
    told = cartwise("ingest", "raw", "--out", "lake", "-q")
    assert told.code == 0
    assert f"passed over    3 files without rows (raw/1{ending}, …)" in told.out
    again = ingest([tmp_path / "raw"], tmp_path / "lake", skip_known=True)
    assert (again.duplicates, again.held) == (len(ROWS), (f"../raw/3{ending}",))


def test_a_header_may_be_as_long_as_any_line(tmp_path: Path) -> None:
    columns = [*(f"column_{number}" for number in range(9_000)), *DEFAULT]
    rows = [line({**dict.fromkeys(columns, ""), **row}, columns) for row in ROWS[:2]]
    file = write_text(tmp_path / "log.csv", "\n".join([",".join(columns), *rows]))
    assert ingest([file], tmp_path / "lake").rows_out == 2


def test_refused_rows_of_a_file_with_a_long_name_are_kept(tmp_path: Path) -> None:
    for name in ("ä" * 124 + ".csv", "n" * 251 + ".csv"):
        write_lines(tmp_path / "raw" / name, [line(ROWS[0]), "x"])
    assert ingest([tmp_path / "raw"], tmp_path / "lake").quarantined == 2
    assert len(list((tmp_path / "lake" / "quarantine").iterdir())) == 2


def test_no_source_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no source was given"):
        ingest([], tmp_path / "lake")


def test_native_types_become_those_of_the_lake(tmp_path: Path) -> None:
    same = typed(
        event_time=datetime(2019, 10, 1),  # noqa: DTZ001 - many tools write naive times
        product_id=1004856,
        category_id=2053013555631882655,
        price=130.76,
        user_id=541312140,
    ).cast({"event_time": pl.Datetime("ns"), "user_id": pl.UInt32, "brand": pl.Categorical})
    same.write_parquet(tmp_path / "native.parquet")
    write_rows(tmp_path / "text.csv", [event()])
    report = ingest([tmp_path], tmp_path / "lake")
    assert (report.rows_out, report.duplicates) == (1, 1)


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_are_read_however_they_are_encoded(
    tmp_path: Path, encoding: str, kind: pa.DataType
) -> None:
    table = pq.read_table(write_rows(tmp_path / "rows.parquet", ROWS))
    table = table.cast(pa.schema([(name, kind) for name in table.column_names]))
    pq.write_table(
        table,
        tmp_path / "rows.parquet",
        use_dictionary=["brand"],
        column_encoding={name: encoding for name in table.column_names if name != "brand"},
    )
    assert ingest([tmp_path / "rows.parquet"], tmp_path / "lake").rows_out == len(ROWS)


def test_times_of_any_zone_and_wide_decimals_are_read(tmp_path: Path) -> None:
    row = write_rows(tmp_path / "row.parquet", [event()])
    table = pq.read_table(row)
    moment = datetime(2019, 10, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    columns = {
        "event_time": pa.array([moment], pa.timestamp("us", "+05:30")),
        "price": pa.array([Decimal("12.50")], pa.decimal256(50, 2)),
    }
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    moments = pa.array([[moment]], pa.list_(pa.timestamp("us", "+05:30")))
    pq.write_table(table.append_column("passed over", moments), row)
    ingest([row], tmp_path / "lake")
    read_back = read_day(tmp_path / "lake", date(2019, 10, 1))
    assert read_back["event_time"].dt.epoch("s").to_list() == [1569888000]
    assert read_back["price"].to_list() == [12.5]


def test_a_native_row_is_refused_with_its_fields_as_text(tmp_path: Path) -> None:
    for place, time in enumerate([0, 2**62, -(2**62), None]):
        times = pl.Series([time], dtype=pl.Int64).cast(pl.Datetime("ms"))
        typed(price=-1.5, brand=None).with_columns(event_time=times).write_parquet(
            tmp_path / f"{place}.parquet"
        )
    assert ingest([tmp_path], tmp_path / "lake").quarantined == 4
    files = sorted((tmp_path / "lake" / "quarantine").iterdir())
    texts = [pl.read_parquet(file)["text"][0].partition(",")[0] for file in files]
    assert texts == ["1970-01-01 00:00:00.000", str(2**62), str(-(2**62)), ""]


def test_a_damaged_lake_is_told_and_left_alone(tmp_path: Path) -> None:
    source, lake = write_rows(tmp_path / "log.csv", ROWS), tmp_path / "lake"
    ingest([source], lake)
    (day,) = lake.glob("*/events.parquet")
    # As a lake of before there were checksums.
    day.with_name(SUMS).unlink()
    for data, message in ((day.read_bytes()[:99], "is damaged or cut short"), (b"", "is damaged")):
        day.write_bytes(data)
        with pytest.raises(InputError, match=message):
            ingest([source], lake)
        assert day.read_bytes() == data
    typed().write_parquet(day)
    with pytest.raises(InputError, match="does not hold events in the lake's form: move it away"):
        ingest([write_lines(tmp_path / "more.csv", [line(event(brand="x"))])], lake)


def test_a_folder_that_may_not_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for month in ("raw/10", "raw/11", "raw/.hidden"):
        Path(month).mkdir(parents=True)
        write_rows(Path(month, "log.csv"), [event()])
    assert [str(one.path) for one in find_sources([Path("raw")], None)] == [
        "raw/10/log.csv",
        "raw/11/log.csv",
    ]
    with closed("raw/11"), pytest.raises(InputError, match="raw/11 may not be read"):
        find_sources([Path("raw")], None)
    with closed("raw/.hidden"):
        assert len(find_sources([Path("raw")], None)) == 2
