import json
from pathlib import Path

import pytest

from cartwise.data import ingest as ingesting
from cartwise.data.earlier_files import MOST, joined
from cartwise.data.ingest import ingest
from cartwise.data.log import Log
from cartwise.errors import InputError
from cartwise.progress import Silent
from tests.commands import Commands
from tests.damage import flip_bit
from tests.data.raw_files import event, files_of, write_rows


def test_files_that_a_lake_holds_already_are_named(tmp_path: Path) -> None:
    files = [tmp_path / f"{month}.csv" for month in ("10", "11", "12")]
    for month, file in zip((10, 11, 12), files, strict=True):
        write_rows(file, [event(event_time=f"2019-{month}-01 00:00:00 UTC")])
    lake = tmp_path / "lake"
    assert ingest(files[:1], lake).earlier == ()
    assert ingest(files[:1], lake).earlier == ()
    said = Said()
    assert ingest(files[1:2], lake, progress=said).earlier == (str(files[0]),)
    assert f"holds events of 1 other file ({files[0]}) already" in said.lines[0]
    assert ingest(files, lake).earlier == ()
    assert ingest(files[2:], lake, progress=said).earlier == tuple(map(str, files[:2]))
    assert f"holds events of 2 other files ({files[1]}, …) already" in said.lines[1]
    assert ingest(files[:1], lake).earlier == tuple(map(str, files[1:]))


def test_skipped_files_are_not_forgotten(tmp_path: Path) -> None:
    files = [tmp_path / f"{month}.csv" for month in ("10", "11", "12")]
    for month, file in zip((10, 11, 12), files, strict=True):
        write_rows(file, [event(event_time=f"2019-{month}-01 00:00:00 UTC")])
    lake = tmp_path / "lake"
    ingest(files[:1], lake, skip_known=True)
    assert ingest(files[:2], lake, skip_known=True).earlier == ()
    report = ingest(files[2:], lake, skip_known=True)
    assert report.earlier == tuple(map(str, files[:2]))
    assert report.held == ("../10.csv", "../11.csv", "../12.csv")


def test_an_ingest_that_finds_nothing_new_tells_what_the_lake_holds(
    tmp_path: Path, cartwise: Commands
) -> None:
    for name in ("a", "b"):
        write_rows(tmp_path / f"{name}.csv", [event(brand=name)])
    ingest_known = ("ingest", "--out", "lake", "--skip-known", "--json", "--quiet")
    assert cartwise(*ingest_known, "a.csv", "b.csv").code == 0
    told = json.loads(cartwise(*ingest_known, "a.csv").out)
    assert (told["rows_in"], told["earlier"]) == (0, ["b.csv"])
    assert told["held"] == ["../a.csv", "../b.csv"]


def test_a_file_with_a_new_name_is_no_other_file(tmp_path: Path, cartwise: Commands) -> None:
    for month in ("09", "10"):
        write_rows(tmp_path / f"raw/{month}.csv", [event(brand=month)])
    ingest_known = ("ingest", "raw", "--out", "lake", "--skip-known", "--json", "--quiet")
    assert cartwise(*ingest_known).code == 0
    (tmp_path / "raw/10.csv").rename(tmp_path / "raw/2019-10.csv")
    # The old name is another file's now.
    write_rows(tmp_path / "raw/10.csv", [event(brand="11")])
    told = json.loads(cartwise(*ingest_known).out)
    assert (told["rows_in"], told["earlier"]) == (1, [])
    assert told["held"] == ["../raw/09.csv", "../raw/2019-10.csv", "../raw/10.csv"]


def test_a_lake_remembers_the_latest_of_very_many_files(tmp_path: Path) -> None:
    names = joined(map(str, range(MOST)), tmp_path / "lake", [tmp_path / "new.csv"])
    assert names == (*map(str, range(1, MOST)), "../new.csv")


def test_files_of_one_name_in_two_folders_are_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        write_rows(tmp_path / name / "log.csv", [event(brand=name)])
    monkeypatch.chdir(tmp_path / "a")
    assert ingest([Path("log.csv")], Path("../lake")).earlier == ()
    monkeypatch.chdir(tmp_path / "b")
    assert ingest([Path("log.csv")], Path("../lake")).earlier == (str(tmp_path / "a/log.csv"),)
    monkeypatch.chdir(tmp_path)
    assert ingest([Path("b/log.csv")], Path("lake")).earlier == ("a/log.csv",)


def test_files_that_do_not_last_are_not_remembered(tmp_path: Path) -> None:
    lasting, passing = (tmp_path / f"{name}.csv" for name in ("lasting", "passing"))
    for file in (lasting, passing):
        write_rows(file, [event(brand=file.stem)])
    said = Said()
    ingest([lasting], tmp_path / "lake")
    ingest([passing], tmp_path / "lake", remember=False, progress=said)
    assert said.lines == []
    again = write_rows(tmp_path / "again.csv", [event()])
    assert ingest([again], tmp_path / "lake").earlier == (str(lasting),)


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_known_files_are_not_read_again_whatever_their_names(tmp_path: Path) -> None:
    october, november = tmp_path / "raw/10.csv", tmp_path / "raw/11.csv"
    write_rows(october, [event(), event(price="-1")])
    lake = tmp_path / "lake"
    assert ingest([tmp_path / "raw"], lake, skip_known=True).rows_in == 2
    before = files_of(lake)

    october.rename(tmp_path / "raw/again.csv")
    write_rows(november, [event(event_time="2019-11-01 00:00:00 UTC")])
    report = ingest([tmp_path / "raw"], lake, skip_known=True)
    assert [Path(source.path).name for source in report.sources] == ["11.csv"]
    assert (report.rows_in, report.rows_out) == (1, 1)
    after = files_of(lake)
    assert {name: after[name] for name in before if name != "sources.json"} == {
        name: data for name, data in before.items() if name != "sources.json"
    }

    # A file that changed is another one.
    write_rows(november, [event(event_time=f"2019-11-0{day} 00:00:00 UTC") for day in (1, 2)])
    assert ingest([tmp_path / "raw"], lake, skip_known=True).rows_out == 1


def test_an_ingest_of_known_files_alone_leaves_the_lake_as_it_is(tmp_path: Path) -> None:
    source, lake = write_rows(tmp_path / "log.csv", [event()]), tmp_path / "lake"
    ingest([source], lake, skip_known=True)
    report = (lake / "ingest.json").read_bytes()
    assert ingest([source], lake, skip_known=True).rows_in == 0
    assert (lake / "ingest.json").read_bytes() == report
    # Who does not ask for it gets every file read.
    assert ingest([source], lake).duplicates == 1


@pytest.mark.parametrize("skip_known", [True, False])
def test_a_damaged_day_comes_back_as_the_error_says(
    tmp_path: Path, cartwise: Commands, *, skip_known: bool
) -> None:
    for day in (1, 2):
        rows = [event(event_time=f"2019-10-0{day} 0{hour}:00:00 UTC") for hour in range(day, 4)]
        write_rows(
            tmp_path / f"raw/{day}.csv", [*rows, event(event_time="2019-10-03 00:00:00 UTC")]
        )
    options = ["--out", "lake", "--quiet", *["--skip-known"][: int(skip_known)]]
    for file in ("raw/1.csv", "raw/2.csv"):
        assert cartwise("ingest", file, *options).code == 0
    before = files_of(tmp_path / "lake")
    damaged = tmp_path / "lake/event_date=2019-10-01/events.parquet"

    flip_bit(damaged, 100)
    features = ("features", "--events", "lake", "--out", "training")
    assert "delete events.parquet, and nothing else, then" in cartwise(*features).err
    damaged.unlink()
    assert "events.parquet is gone: ingest all files" in cartwise(*features).err

    # A part of the files does not make anybody forget the rest.
    assert cartwise("ingest", "raw/2.csv", *options).code == 0
    assert cartwise("ingest", "raw", *options).code == 0
    assert files_of(tmp_path / "lake") == before


@pytest.mark.parametrize("skip_known", [True, False])
def test_a_gone_day_that_several_files_shared_is_whole_with_the_last_of_them(
    tmp_path: Path, *, skip_known: bool
) -> None:
    lake = tmp_path / "lake"
    files = [write_rows(tmp_path / f"{user}.csv", [event(user_id=f"{user}")]) for user in (1, 2)]
    ingest(files, lake, skip_known=skip_known)
    next(lake.glob("event_date=*/events.parquet")).unlink()
    # As docs/operations.md tells: the lake is read in between, and the rest is not known.
    for file, events in (files[1], 1), (files[0], 2):
        ingest([file], lake, skip_known=skip_known)
        assert sum(Log.read(lake).events.values()) == events


@pytest.mark.parametrize("name", ["sources.json", "ingest.json", ".staging/commit.json"])
@pytest.mark.parametrize("content", [b"{", b"[3]", b"\xff" * 9999])
def test_a_damaged_note_of_the_lake_is_named_with_what_to_do(
    tmp_path: Path, name: str, content: bytes
) -> None:
    lake, source = tmp_path / "lake", write_rows(tmp_path / "log.csv", [event()])
    ingest([source], lake)
    (lake / name).parent.mkdir(exist_ok=True)
    (lake / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} is damaged \(.*\): delete") as caught:
        ingest([source], lake)
    assert len(str(caught.value)) < 2 * len(str(lake)) + 200


def test_files_that_an_ingest_could_not_finish_are_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, lake = write_rows(tmp_path / "log.csv", [event()]), tmp_path / "lake"
    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "_check_conservation", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ingest([source], lake, skip_known=True)
    assert ingest([source], lake, skip_known=True).rows_out == 1
