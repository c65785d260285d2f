import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.dataset as arrow
import pytest

from cartwise.checksums import SUMS
from cartwise.data.ingest import ingest
from cartwise.data.labels import LabelSettings
from cartwise.data.lake import day_path, read_day, read_through, stored_days
from cartwise.data.log import Log
from cartwise.data.simulate import simulate
from cartwise.data.training_set import TrainingSetSettings, build
from cartwise.errors import InputError, PlaceTaken
from cartwise.events import COLUMNS, EVENT_SCHEMA
from tests.damage import break_column
from tests.data.raw_files import at, event, write_rows
from tests.disks import closed

DAY = date(2019, 10, 1)


def test_days_are_found_in_order_and_read_in_log_order(tmp_path: Path) -> None:
    rows = [event(event_time="2019-10-03 00:00:00 UTC"), at("12:00:00"), at("11:00:00")]
    ingest([write_rows(tmp_path / "log.csv", rows)], tmp_path / "lake")
    assert stored_days(tmp_path / "lake") == [DAY, date(2019, 10, 3)]
    events = read_day(tmp_path / "lake", DAY)
    assert events.schema == EVENT_SCHEMA
    assert events["event_time"].dt.hour().to_list() == [11, 12]


def test_other_tools_read_the_folder_of_a_day(tmp_path: Path) -> None:
    ingest([write_rows(tmp_path / "log.csv", [event(), at("00:00:01")])], tmp_path / "lake")
    folder = day_path(tmp_path / "lake", DAY).parent
    found = arrow.dataset(folder, format="parquet").to_table()
    assert found.equals(read_day(tmp_path / "lake", DAY).to_arrow().cast(found.schema))
    # Spark passes over the same names, and takes every other file for Parquet.
    assert {file.name for file in folder.iterdir() if file.name[0] != "_"} == {"events.parquet"}


def test_a_folder_without_events_is_no_lake(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="holds no events: run 'cartwise ingest' into it"):
            stored_days(folder)
    with pytest.raises(InputError, match="holds no events of 2019-10-01"):
        read_day(tmp_path, DAY)


def test_a_day_that_may_not_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ingest([write_rows(Path("log.csv"), [event(), event(event_time="2019-10-03 00:00:00 UTC")])],
           Path("lake"))  # fmt: skip
    with (
        closed("lake/event_date=2019-10-03"),
        pytest.raises(InputError, match=r"2019-10-03.* may not be read"),
    ):
        stored_days(Path("lake"))
    with closed("lake"), pytest.raises(InputError, match="lake may not be read"):
        stored_days(Path("lake"))


@pytest.mark.parametrize("summed", [True, False])
def test_a_day_that_holds_another_ones_events_is_told(tmp_path: Path, *, summed: bool) -> None:
    lake = tmp_path / "lake"
    rows = [at("23:59:59"), *(event(event_time=f"2019-10-0{day} 00:00:00 UTC") for day in (2, 3))]
    ingest([write_rows(tmp_path / "log.csv", rows)], lake)
    assert list(Log.read(lake).events.values()) == [1, 1, 1]
    copy = day_path(lake, date(2019, 10, 3))
    for name in (copy.name, SUMS):
        shutil.copyfile(lake / "event_date=2019-10-02" / name, copy.with_name(name))
    if not summed:
        copy.with_name(SUMS).unlink()
    with pytest.raises(
        InputError, match=rf"{copy} holds events of another day, 2019-10-02: delete"
    ):
        Log.read(lake)


def test_damage_within_a_day_is_told_and_the_day_left_alone(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "log.csv", [at("12:00:00", brand=str(n)) for n in range(99)])
    ingest([source], tmp_path / "lake")
    file = day_path(tmp_path / "lake", DAY)
    file.with_name(SUMS).unlink()
    damaged = b"PAR1" + b"\xff" * 200 + file.read_bytes()[204:]
    file.write_bytes(damaged)
    for use in (
        lambda: read_day(tmp_path / "lake", DAY),
        lambda: ingest([source], tmp_path / "lake"),
    ):
        with pytest.raises(InputError, match=r"events\.parquet is damaged or cut short"):
            use()
    assert file.read_bytes() == damaged


def test_several_days_are_read_as_one_log(tmp_path: Path) -> None:
    rows = [
        event(event_time=f"2019-10-0{day} 0{hour}:00:00 UTC")
        for day in (1, 2, 4)
        for hour in range(5)
    ]
    ingest([write_rows(tmp_path / "log.csv", rows)], tmp_path / "lake")
    days = stored_days(tmp_path / "lake")
    whole = pl.concat([read_day(tmp_path / "lake", day) for day in days])
    assert whole.height == 15
    for first, start, height in ((0, 0, 15), (0, 3, 9), (1, 4, 6), (2, 1, 2)):
        read = read_through(tmp_path / "lake", days[first:], COLUMNS, start, height)
        assert read.equals(whole.slice(5 * first + start, height))


def test_damage_in_one_of_several_days_names_the_day(tmp_path: Path) -> None:
    rows = [event(event_time=f"2019-10-0{day} 12:00:00 UTC") for day in (1, 2, 3)]
    ingest([write_rows(tmp_path / "log.csv", rows)], tmp_path / "lake")
    days = stored_days(tmp_path / "lake")
    file = day_path(tmp_path / "lake", days[1])
    file.write_bytes(b"PAR1" + b"\xff" * 200 + file.read_bytes()[204:])
    with pytest.raises(InputError, match=r"2019-10-02.*events\.parquet is damaged or cut short"):
        read_through(tmp_path / "lake", days, COLUMNS, 0, 3)


def test_a_folder_without_a_lake_takes_one_if_it_holds_but_hidden_things(tmp_path: Path) -> None:
    source, lake = write_rows(tmp_path / "log.csv", [event()]), tmp_path / "lake"
    for name in (".gitkeep", "lost+found", "outages.toml", "notes.txt"):
        lake.mkdir(exist_ok=True)
        (lake / name).write_text("mine")
        if name == "notes.txt":
            with pytest.raises(PlaceTaken, match=r"holds 'notes\.txt', which is not of a lake"):
                ingest([source], lake)
        else:
            ingest([source], lake)
            ingest([source], lake)
            shutil.rmtree(lake)


@pytest.mark.parametrize("column", ["event_time", "user_id", "user_session", "brand", None])
def test_a_day_that_cannot_be_read_is_named_without_checksums(
    tmp_path: Path, column: str | None
) -> None:
    simulate(tmp_path / "raw", sessions=300, days=3)
    ingest([tmp_path / "raw"], tmp_path / "lake")
    for sums in (tmp_path / "lake").glob(f"*/{SUMS}"):
        sums.unlink()
    file = day_path(tmp_path / "lake", stored_days(tmp_path / "lake")[1])
    if column:
        break_column(file, column)
    else:
        pl.read_parquet(file, hive_partitioning=False).drop("brand").write_parquet(file)
    with pytest.raises(InputError) as refused:
        build(tmp_path / "lake", tmp_path / "training", TrainingSetSettings(LabelSettings(3600)))
    assert str(refused.value).startswith(f"{file} ")
