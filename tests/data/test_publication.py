import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Event

import pytest

from cartwise.checksums import read_sums
from cartwise.data import lake as lakes
from cartwise.data.ingest import ingest
from cartwise.data.log import Log
from cartwise.data.publication import recover, require_settled
from cartwise.errors import InputError, OutputError
from cartwise.folders import locked
from tests.commands import Commands
from tests.data import dying_ingest
from tests.data.raw_files import at, event, files_of, write_rows, write_text

YESTERDAY = [at("23:00:00"), at("22:00:00"), event(price="-1")]
TODAY = [at("23:00:00"), at("21:00:00"), event(event_time="2019-10-02 00:00:00 UTC")]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, dying_ingest.__file__, *map(str, arguments)]
    root = Path(__file__).parents[2]
    # The limit turns a deadlock, should forking ever lead to one, into a failure.
    return subprocess.run(
        script, capture_output=True, text=True, check=False, cwd=root, timeout=300
    )


def lake_with_yesterday(folder: Path) -> tuple[Path, list[Path]]:
    """A lake that an earlier ingest has filled, and the sources of the next ingest."""
    old = write_rows(folder / "old.csv", YESTERDAY)
    ingest([old], folder / "lake")
    # It was mended since: its quarantine has to go.
    write_rows(old, YESTERDAY[:2])
    return folder / "lake", [old, write_rows(folder / "new.csv", [*TODAY, event(price="x")])]


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize(
    ("how", "stride"), [(signal.SIGKILL, 1), (signal.SIGINT, 3), (signal.SIGTERM, 3)]
)
def test_an_ingest_that_died_at_any_step_is_completed_by_the_next(
    tmp_path: Path, how: signal.Signals, stride: int
) -> None:
    lake, sources = lake_with_yesterday(tmp_path)
    before = files_of(lake)
    done = run(int(how), stride, tmp_path / "died", lake, *sources)
    assert done.returncode == 0, done.stderr
    clean = shutil.copytree(lake, tmp_path / "clean")
    ingest(sources, clean)
    after = files_of(clean)

    died = sorted((tmp_path / "died").iterdir(), key=lambda folder: int(folder.name))
    assert len(died) > 10
    states = [files_of(out) for out in died]
    assert states[0] == before
    assert states[-1] == after
    for out, state in zip(died, states, strict=True):
        if how != signal.SIGKILL:
            assert state in (before, after), (out, sorted(state))
        for name, data in state.items():
            if name.startswith("event_date="):
                assert data in (before.get(name), after[name]), (out, name)
        assert read_or_refused(out) in (*map(days_of, (before, after)), None), out
        ingest(sources, out)
        assert files_of(out) == after, out
    refused = sum(".staging/commit.json" in state for state in states)
    assert refused > 10 if how == signal.SIGKILL else refused == 0


def days_of(state: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in state.items() if name.startswith("event_date=")}


def read_or_refused(lake: Path) -> dict[str, bytes] | None:
    """The days of a lake, None where a reader is told that they are not all there."""
    try:
        Log.read(lake)
    except InputError as error:
        assert "was cut off while it moved its files there: run it again" in str(error)  # noqa: PT017
        return None
    return days_of(files_of(lake))


@pytest.fixture(scope="module")
def half_published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake, and the sources of an ingest that died while it moved its files."""
    folder = tmp_path_factory.mktemp("half")
    lake, sources = lake_with_yesterday(folder)
    assert run(int(signal.SIGKILL), 5, folder / "died", lake, *sources).returncode == 0
    died = (out for out in (folder / "died").iterdir() if (out / ".staging/commit.json").exists())
    shutil.rmtree(lake)
    next(died).rename(lake)
    return folder


def test_features_are_built_from_no_half_of_an_ingest(
    half_published: Path, tmp_path: Path, cartwise: Commands
) -> None:
    lake = Path(shutil.copytree(half_published / "lake", tmp_path / "lake"))
    sources = half_published.glob("*.csv")
    told = cartwise("features", "--events", lake, "--out", "training")
    assert (told.code, "was cut off while it moved" in told.err) == (1, True)
    assert cartwise("ingest", *sources, "--out", lake).code == 0
    assert "was cut off" not in cartwise("features", "--events", lake, "--out", "training").err


def test_a_reader_waits_while_an_ingest_moves_its_files(
    half_published: Path, tmp_path: Path
) -> None:
    lake = Path(shutil.copytree(half_published / "lake", tmp_path / "lake"))
    begun = Event()

    def move() -> None:
        with locked(lake, "ingest"):
            begun.set()
            time.sleep(0.2)
            recover(lake)

    with ThreadPoolExecutor(1) as pool:
        moved = pool.submit(move)
        assert begun.wait(60)
        assert len(Log.read(lake).days) == 2
        moved.result()


def test_a_reader_does_not_wait_for_ever_for_an_ingest_that_stands_still(
    half_published: Path, tmp_path: Path
) -> None:
    lake = Path(shutil.copytree(half_published / "lake", tmp_path / "lake"))
    held = rf"{lake} is held by an ingest that is still moving its files there: .* end it and"
    with locked(lake, "ingest"), pytest.raises(InputError, match=held):
        require_settled(lake, patience_seconds=0.2)


def test_a_day_is_not_called_damaged_when_an_ingest_replaces_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, lake = write_rows(tmp_path / "log.csv", YESTERDAY), tmp_path / "lake"
    ingest([source], lake)

    # Nothing else makes an ingest end just between these two looks.
    def read_and_ingest(folder: Path, remedy: str) -> Mapping[str, str] | None:
        monkeypatch.undo()
        sums = read_sums(folder, remedy)
        ingest([write_rows(tmp_path / "more.csv", [at("20:00:00")])], lake)
        return sums

    monkeypatch.setattr(lakes, "read_sums", read_and_ingest)
    assert Log.read(lake).events == {date(2019, 10, 1): 3}


def test_a_full_disk_is_told_and_leaves_the_lake_as_it_was(tmp_path: Path) -> None:
    lake, sources = lake_with_yesterday(tmp_path)
    before = files_of(lake)
    many = [at("12:00:00", user_session=f"{number * 7919:x}") for number in range(20_000)]
    for big in (many, [dict(row, price="x" + row["user_session"]) for row in many]):
        source = write_rows(tmp_path / "big.csv", big)
        done = run("limit", 30_000, lake, *sources, source)
        assert done.returncode == 1
        assert done.stderr.startswith(f"OutputError: {lake} cannot be written (File too large)")
        assert files_of(lake) == before


def test_a_lake_takes_one_ingest_at_a_time(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "log.csv", TODAY)
    with (
        locked(tmp_path / "lake", "ingest"),
        pytest.raises(OutputError, match="another ingest is writing"),
    ):
        ingest([source], tmp_path / "lake")
    assert ingest([source], tmp_path / "lake").rows_out == 3


@pytest.mark.parametrize(
    ("lake", "told"),
    [
        ("file", "file' is a file: choose a folder for a lake"),
        ("file/below/it", r"cannot be written .*: free space, check permissions"),
    ],
)
def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, lake: str, told: str) -> None:
    source = write_rows(tmp_path / "log.csv", TODAY)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=told):
        ingest([source], tmp_path / lake)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_failed_ingest_leaves_no_folder_behind(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("no log")
    with pytest.raises(InputError):
        ingest([tmp_path / "log.csv"], tmp_path / "lake")
    good = write_rows(tmp_path / "good.csv", TODAY)
    cut = write_text(tmp_path / "cut.csv.gz", "x")
    cut.write_bytes(write_rows(tmp_path / "whole.csv.gz", TODAY).read_bytes()[:-9])
    with pytest.raises(InputError, match=r"cut\.csv\.gz is damaged or cut short"):
        ingest([good, cut], tmp_path / "lake")
    assert not (tmp_path / "lake").exists()
