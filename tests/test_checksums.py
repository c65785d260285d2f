"""Checksums that are damaged themselves vouch for nothing, and are not passed over."""

from datetime import date
from pathlib import Path

import pytest

from cartwise.checksums import SUMS, read_sums
from cartwise.data.ingest import ingest
from cartwise.data.lake import day_path
from cartwise.data.log import Log
from cartwise.errors import InputError
from tests.data.raw_files import event, write_rows


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    """The checksums of the only day of a lake."""
    ingest([write_rows(tmp_path / "log.csv", [event()])], tmp_path / "lake")
    return day_path(tmp_path / "lake", date(2019, 10, 1)).with_name(SUMS)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[:-5], "it lacks events.parquet"),
        (lambda _: "", "it lacks events.parquet"),
        (lambda text: text.replace("events", "evemts"), "it lacks events.parquet"),
        (lambda text: "g" + text[1:], "its line 1 is no checksum"),
        (lambda text: text + text[:50], "its line 2 is no checksum"),
    ],
)
def test_damaged_checksums_are_told(sums: Path, damage: object, reason: str) -> None:
    assert callable(damage)
    sums.write_text(damage(sums.read_text()))
    with pytest.raises(InputError) as caught:
        Log.read(sums.parents[1])
    assert f"{sums} is damaged ({reason}): delete events.parquet" in str(caught.value)


def test_a_lake_without_checksums_is_read(sums: Path) -> None:
    sums.unlink()
    assert len(Log.read(sums.parents[1]).days) == 1


def test_checksums_are_read_as_sha256sum_writes_them(sums: Path) -> None:
    before = read_sums(sums.parent, "")
    sums.write_bytes(sums.read_bytes().replace(b"  ", b" *").replace(b"\n", b"\r\n"))
    assert read_sums(sums.parent, "") == before
