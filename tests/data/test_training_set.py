"""The training set of a simulated log: without the future, and the same however it is built."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.checksums import SUMS
from cartwise.data import canary, passes
from cartwise.data.canary import LeakError, check_canary
from cartwise.data.day_files import KEYS, day_file, read_carts
from cartwise.data.ingest import ingest
from cartwise.data.labels import LabelSettings
from cartwise.data.lake import OUTAGES, day_path, read_day, stored_days, write_events
from cartwise.data.simulate import simulate
from cartwise.data.splits import FATES
from cartwise.data.training_set import STATES, TrainingSetSettings, build
from cartwise.errors import InputError, NotEnoughData, OutputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.progress import Advance, Silent
from tests.damage import flip_bit
from tests.data.logs import write_lake
from tests.logs import reference_log
from tests.reference import Event, vector

HOUR = 3600
SETTINGS = TrainingSetSettings(LabelSettings(4 * HOUR))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    simulate(folder / "raw", sessions=6000, days=6, seed=3)
    ingest(sorted((folder / "raw").glob("events-*")), folder / "events")
    return folder / "events"


@pytest.fixture(scope="module")
def training(lake: Path) -> Path:
    build(lake, lake.parent / "training", SETTINGS)
    return lake.parent / "training"


class Recorder(Silent):
    """Remembers the tasks, with their totals."""

    def __init__(self) -> None:
        self.totals: dict[str, int | None] = {}

    @contextmanager
    def task(self, name: str, total: int | None, unit: str) -> Iterator[Advance]:
        self.totals[name] = total
        with super().task(name, total, unit) as advance:
            yield advance


def contents(training: Path) -> dict[str, pl.DataFrame]:
    files = sorted(training.rglob("*.parquet"))
    return {str(file.relative_to(training)): pl.read_parquet(file) for file in files}


def assert_same(one: Path, other: Path) -> None:
    ours, theirs = contents(one), contents(other)
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equals(theirs[name], null_equal=True) for name in ours)
    assert (one / SUMS).read_bytes() == (other / SUMS).read_bytes()
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (one, other)]
    assert manifests[0] == manifests[1]


def events_of(lake: Path) -> list[Event]:
    return reference_log(pl.concat([read_day(lake, day) for day in stored_days(lake)]))


def test_stored_vectors_equal_the_reference(lake: Path, training: Path) -> None:
    log, days = events_of(lake), stored_days(lake)
    before = sum(read_day(lake, day).height for day in days[:3])
    carts = read_carts(training, days[3])[::40]
    names = list(SPECIFICATION.vector)
    for row in carts.iter_rows(named=True):
        truth = vector(SPECIFICATION, log[: before + row["row"] + 1])
        stored = [row[name] for name in names]
        np.testing.assert_allclose(stored, [truth[name] for name in names], rtol=1e-5, atol=1e-6)


def test_every_cart_has_exactly_one_fate(lake: Path, training: Path) -> None:
    manifest = json.loads((training / "manifest.json").read_text())
    stored = sum(frame.height for frame in contents(training).values())
    dealt = sum(part["carts"] for part in manifest["parts"].values())
    left_out = sum(manifest["counts"][f] for f in FATES if f in manifest["counts"])
    assert stored == dealt + left_out == manifest["counts"]["carts"]
    truth = pl.read_parquet(lake.parent / "raw" / "truth.parquet")
    assert stored == truth.height


def test_a_part_holds_keys_label_and_vector(training: Path) -> None:
    frame = next(iter(contents(training / "train").values()))
    assert frame.columns == ["row", *KEYS, "label", *SPECIFICATION.vector]
    assert set(frame.select(SPECIFICATION.vector).dtypes) == {pl.Float32}
    assert frame["label"].dtype == pl.UInt8
    assert frame["label"].null_count() == 0


def test_a_censored_cart_has_no_label(training: Path) -> None:
    censored = contents(training / "left_out" / "censored_end")
    assert censored
    assert all(frame["label"].null_count() == frame.height for frame in censored.values())


@pytest.mark.parametrize(("most", "few"), [(1500, 1), (1500, 4000), (2**18, 700), (2**18, 12_000)])
def test_it_does_not_matter_how_the_log_is_cut_into_pieces(
    lake: Path, training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, few: int
) -> None:
    monkeypatch.setattr(passes, "PIECE_ROWS", most)
    monkeypatch.setattr(passes, "FEW_ROWS", few)
    build(lake, tmp_path / "cut", SETTINGS)
    assert_same(tmp_path / "cut", training)


@pytest.mark.parametrize("memory_bytes", [3_000_000, 1_000_000])
def test_shards_give_the_same_training_set(
    lake: Path, training: Path, tmp_path: Path, memory_bytes: int
) -> None:
    recorder = Recorder()
    settings = TrainingSetSettings(SETTINGS.labels, memory_bytes=memory_bytes)
    build(lake, tmp_path / "sharded", settings, progress=recorder)
    events = sum(read_day(lake, day).height for day in stored_days(lake))
    assert (recorder.totals["replay"] or 0) >= 2 * events
    assert_same(tmp_path / "sharded", training)


@pytest.mark.parametrize("memory_bytes", [3_000_000_000, 1_000_000])
def test_a_new_day_costs_a_day_and_gives_what_a_full_build_gives(
    lake: Path, training: Path, tmp_path: Path, memory_bytes: int
) -> None:
    growing, out, days = tmp_path / "events", tmp_path / "training", stored_days(lake)
    settings = TrainingSetSettings(SETTINGS.labels, memory_bytes=memory_bytes)
    for day in days[:-1]:
        shutil.copytree(lake / f"event_date={day}", growing / f"event_date={day}")
    build(growing, out, settings)
    shutil.copytree(lake / f"event_date={days[-1]}", growing / f"event_date={days[-1]}")
    recorder = Recorder()
    build(growing, out, settings, progress=recorder)
    shards = len(list((out / STATES).glob("*/")))
    assert recorder.totals["replay"] == shards * read_day(lake, days[-1]).height
    assert_same(out, training)


def test_an_earlier_day_that_changed_is_told_by_all_vectors_after_it(
    lake: Path, training: Path, tmp_path: Path
) -> None:
    changed, out, days = tmp_path / "events", tmp_path / "training", stored_days(lake)
    shutil.copytree(lake, changed)
    shutil.copytree(training, out)
    fewer = read_day(lake, days[1])[::2]
    shutil.rmtree(changed / f"event_date={days[1]}")
    write_events(day_path(changed, days[1]), iter([fewer]))
    build(changed, out, SETTINGS)
    build(changed, tmp_path / "anew", SETTINGS)
    assert_same(out, tmp_path / "anew")
    assert not read_carts(out, days[-1]).equals(read_carts(training, days[-1]))


def test_other_labels_cost_no_replay(lake: Path, training: Path, tmp_path: Path) -> None:
    shutil.copytree(training, tmp_path / "training")
    recorder = Recorder()
    session = TrainingSetSettings(LabelSettings(HOUR, "session"))
    build(lake, tmp_path / "training", session, progress=recorder)
    assert "replay" not in recorder.totals
    build(lake, tmp_path / "anew", session)
    assert_same(tmp_path / "training", tmp_path / "anew")


def test_cutting_off_the_last_day_changes_no_earlier_vector(
    lake: Path, training: Path, tmp_path: Path
) -> None:
    days = stored_days(lake)
    for day in days[:-1]:
        shutil.copytree(lake / f"event_date={day}", tmp_path / "events" / f"event_date={day}")
    build(tmp_path / "events", tmp_path / "training", SETTINGS)
    for day in days[:-1]:
        assert read_carts(tmp_path / "training", day).equals(read_carts(training, day))


def test_the_canary_dies_of_a_vector_that_knows_the_future(
    lake: Path, training: Path, tmp_path: Path
) -> None:
    shutil.copytree(training, tmp_path / "leaky")
    day = stored_days(lake)[0]
    file = tmp_path / "leaky" / day_file("train", day)
    one_view_more = pl.col("product_view_28d") + 1
    pl.read_parquet(file).with_columns(one_view_more).write_parquet(file)
    (tmp_path / "leaky" / SUMS).unlink()
    assert check_canary(lake, stored_days(lake), training) > 100
    with pytest.raises(LeakError, match="product_view_28d"):
        check_canary(lake, stored_days(lake), tmp_path / "leaky")


def test_the_canary_dies_of_a_late_session_that_knows_the_future(
    lake: Path, training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whole vectors are compared at the begin of the log only, which here would be all of it.
    monkeypatch.setattr(canary, "EVENTS", 100)
    shutil.copytree(training, tmp_path / "leaky")
    for file in (tmp_path / "leaky").rglob("*.parquet"):
        if date.fromisoformat(file.stem) > stored_days(lake)[1]:
            one_view_more = pl.col("session_view_4h") + 1
            pl.read_parquet(file).with_columns(one_view_more).write_parquet(file)
    (tmp_path / "leaky" / SUMS).unlink()
    with pytest.raises(LeakError, match="session_view_4h"):
        check_canary(lake, stored_days(lake), tmp_path / "leaky")


def test_carts_near_a_confirmed_outage_are_censored(lake: Path, tmp_path: Path) -> None:
    shutil.copytree(lake, tmp_path / "events")
    (tmp_path / "events" / OUTAGES).write_text(
        "[[span]]\nstart = 2019-11-10T00:00:00Z\nend = 2019-11-10T06:00:00Z\n"
        'kind = "purchases_missing"\nreason = "tracker down"\n'
    )
    manifest = build(tmp_path / "events", tmp_path / "training", SETTINGS)
    kept = pl.concat(list(contents(tmp_path / "training" / "train").values()))["cart_time"]
    first, last = datetime(2019, 11, 9, 20, tzinfo=UTC), datetime(2019, 11, 10, 6, tzinfo=UTC)
    assert not kept.is_between(first, last, closed="left").any()
    assert manifest["counts"]["censored_outage"] > 0
    assert manifest["censored_spans"][0]["reason"] == "tracker down"


def leave_no_carts(lake: Path, day: date) -> None:
    file = day_path(lake, day)
    events = read_day(lake, day).filter(pl.col("event_type") != "cart")
    write_events(file, iter([events]))
    (file.parent / SUMS).unlink()


def test_days_without_carts_do_no_harm(lake: Path, tmp_path: Path) -> None:
    days = stored_days(lake)
    for day in days[:-1]:
        shutil.copytree(lake / f"event_date={day}", tmp_path / "events" / f"event_date={day}")
    for day in (days[0], days[2], days[-2]):
        leave_no_carts(tmp_path / "events", day)
    build(tmp_path / "events", tmp_path / "training", SETTINGS)
    shutil.copytree(lake / f"event_date={days[-1]}", tmp_path / "events" / f"event_date={days[-1]}")
    leave_no_carts(tmp_path / "events", days[-1])
    build(tmp_path / "events", tmp_path / "training", SETTINGS)
    build(tmp_path / "events", tmp_path / "anew", SETTINGS)
    assert_same(tmp_path / "training", tmp_path / "anew")


def test_a_damaged_lake_is_explained(lake: Path, tmp_path: Path) -> None:
    shutil.copytree(lake, tmp_path / "events")
    file = day_path(tmp_path / "events", stored_days(lake)[1])
    file.with_name(SUMS).unlink()
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged or cut short"):
        build(tmp_path / "events", tmp_path / "training", SETTINGS)


@pytest.mark.parametrize("place", [1000, -500])
def test_a_bit_that_flipped_in_a_lake_is_noticed(lake: Path, tmp_path: Path, place: int) -> None:
    shutil.copytree(lake, tmp_path / "events")
    file = day_path(tmp_path / "events", stored_days(lake)[1])
    flip_bit(file, place)
    told = rf"{file} is not as it was written.* delete events.parquet, and nothing else"
    with pytest.raises(InputError, match=told):
        build(tmp_path / "events", tmp_path / "training", SETTINGS)
    with pytest.raises(InputError, match=told):
        ingest([lake.parent / "raw"], tmp_path / "events")
    (file.parent / SUMS).unlink()
    flip_bit(file, place)
    build(tmp_path / "events", tmp_path / "training", SETTINGS)


def test_a_bit_that_flipped_in_a_training_set_is_written_into_no_other(
    lake: Path, training: Path, tmp_path: Path
) -> None:
    shutil.copytree(training, tmp_path / "training")
    flipped = next((tmp_path / "training" / "train").iterdir())
    flip_bit(flipped, 1000)
    # With another horizon the carts are dealt anew; with the same one, the canary reads them.
    for settings in (SETTINGS, TrainingSetSettings(LabelSettings(HOUR))):
        with pytest.raises(InputError, match=rf"^{flipped} is not as it was written"):
            build(lake, tmp_path / "training", settings)


def test_a_training_set_whose_checksums_lost_a_line_vouches_for_no_other(
    lake: Path, training: Path, tmp_path: Path
) -> None:
    sums = Path(shutil.copytree(training, tmp_path / "training")) / SUMS
    sums.write_text("".join(sums.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(InputError, match=rf"{sums} is damaged \(it lacks .*\): delete the"):
        build(lake, tmp_path / "training", SETTINGS)


def test_sha256sum_checks_a_lake_and_a_training_set(lake: Path, training: Path) -> None:
    for folder in (training, *lake.glob("event_date=*")):
        check = ["sha256sum", "--check", "--strict", "--quiet", SUMS]
        subprocess.run(check, cwd=folder, check=True)
    listed = {line.split()[1] for line in (training / SUMS).read_text().splitlines()}
    assert listed == {*contents(training)}


def test_brackets_in_a_path_are_no_pattern(lake: Path, tmp_path: Path) -> None:
    shutil.copytree(lake, tmp_path / "shop [1]*?" / "events")
    build(tmp_path / "shop [1]*?" / "events", tmp_path / "training [x]", SETTINGS)
    build(tmp_path / "shop [1]*?" / "events", tmp_path / "training [x]", SETTINGS)


def test_a_log_without_carts_is_explained(tmp_path: Path) -> None:
    write_lake(tmp_path / "events", [Event(1_570_000_000, "view", 1, 1, "b", 1.0, 1, "s")])
    with pytest.raises(NotEnoughData, match="no cart event"):
        build(tmp_path / "events", tmp_path / "training")


def test_a_folder_without_events_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cartwise ingest"):
        build(tmp_path / "events", tmp_path / "training")


def test_an_unwritable_place_is_explained(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        build(lake, tmp_path / "file" / "training", SETTINGS)


def test_a_lost_file_is_noticed(lake: Path, training: Path, tmp_path: Path) -> None:
    shutil.copytree(training, tmp_path / "training")
    next((tmp_path / "training" / "train").iterdir()).unlink()
    with pytest.raises(InputError, match="delete it and build it anew"):
        build(lake, tmp_path / "training", SETTINGS)


def test_a_killed_build_leaves_the_old_training_set(
    lake: Path, training: Path, tmp_path: Path
) -> None:
    out = tmp_path / "training"
    shutil.copytree(training, out)
    (out / STATES / "states.json").unlink()  # so that everything is replayed
    program = "import sys; from pathlib import Path; from cartwise.data.training_set import build; "
    program += "print('ready', flush=True); build(Path(sys.argv[1]), Path(sys.argv[2]))"
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(lake), str(out)], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    while not list(tmp_path.glob(".training-*")):
        assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert_same(out, training)
    build(lake, out, SETTINGS)
    assert_same(out, training)


def test_the_days_of_a_training_set_are_those_of_the_lake(lake: Path, training: Path) -> None:
    manifest = json.loads((training / "manifest.json").read_text())
    days = [date.fromisoformat(day["date"]) for day in manifest["daily"]]
    assert days == stored_days(lake)
