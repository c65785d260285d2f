import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cartwise.data.ingest import ingest
from cartwise.data.simulate import FIRST_DAY, Outage, SimulationReport, simulate
from cartwise.errors import InputError, OutputError
from cartwise.events import COLUMNS, EVENT_TYPES
from tests.data.shops import FailingProgress, events_of, files_of, truth_of

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC,"
    r"(view|cart|remove_from_cart|purchase),\d+,\d+,[a-z_.0-9]*,[^,]*,\d+\.\d\d,\d+,"
    r"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})?"
)
NOON = datetime(2019, 11, 9, 12, tzinfo=UTC)


def shop(out: Path, **options: Any) -> Path:
    """A small shop of three days."""
    simulate(out, **{"sessions": 2_000, "days": 3} | options)
    return out


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    first = files_of(shop(tmp_path / "first", seed=3))
    again = files_of(shop(tmp_path / "again", seed=3))
    assert first == again


def test_another_seed_gives_another_shop(tmp_path: Path) -> None:
    first = events_of(shop(tmp_path / "first", seed=3))
    other = events_of(shop(tmp_path / "other", seed=4))
    ids = [set(log["user_session"].drop_nulls()) for log in (first, other)]
    assert ids[0].isdisjoint(ids[1])


def test_every_day_has_a_file_and_the_truth_lies_beside(tmp_path: Path) -> None:
    out = shop(tmp_path / "shop", start=date(2020, 2, 28))
    days = ("2020-02-28", "2020-02-29", "2020-03-01")
    assert sorted(files_of(out)) == [*(f"events-{day}.csv" for day in days), "truth.parquet"]


def test_days_are_written_even_if_nobody_comes(tmp_path: Path) -> None:
    out = shop(tmp_path / "shop", sessions=1, days=5)
    assert len(list(out.glob("events-*.csv"))) == 5
    assert truth_of(out).columns[-1] == "purchase_probability"


def test_csv_has_the_form_of_the_public_log(tmp_path: Path) -> None:
    for path in shop(tmp_path / "shop", removals=0.5).glob("events-*.csv"):
        text = path.read_bytes().decode()
        header, *lines = text.removesuffix("\n").split("\n")
        assert header == ",".join(COLUMNS)
        assert not [line for line in lines if not LINE.fullmatch(line)]


def test_files_hold_their_day_in_order_of_time(tmp_path: Path) -> None:
    for path in shop(tmp_path / "shop").glob("events-*.csv"):
        times = pl.read_csv(path)["event_time"]
        assert times.is_sorted()
        assert times.str.slice(0, 10).unique().to_list() == [path.stem.removeprefix("events-")]


def test_formats_hold_the_same_events(tmp_path: Path) -> None:
    plain = events_of(shop(tmp_path / "csv"))
    packed = shop(tmp_path / "zst", file_format="csv.zst")
    typed = shop(tmp_path / "parquet", file_format="parquet")
    unpacked = pl.concat(pl.read_csv(path) for path in sorted(packed.glob("*.csv.zst")))
    assert unpacked["user_session"].equals(plain["user_session"])
    frames = pl.concat(pl.read_parquet(path) for path in sorted(typed.glob("events-*.parquet")))
    assert frames.columns == list(COLUMNS)
    assert frames.select("event_time", "user_session").equals(
        plain.select("event_time", "user_session")
    )


def test_ingest_accepts_every_row(tmp_path: Path) -> None:
    out = shop(tmp_path / "shop", removals=0.3)
    report = ingest(sorted(out.glob("events-*.csv")), tmp_path / "lake")
    assert report.quarantined == 0
    assert report.rows_in == len(events_of(out)) == report.rows_out + report.duplicates


def test_report_counts_what_was_written(tmp_path: Path) -> None:
    report = simulate(tmp_path / "shop", sessions=2_000, days=3, removals=0.5)
    events, truth = events_of(tmp_path / "shop"), truth_of(tmp_path / "shop")
    counts = {name: int((events["event_type"] == name).sum()) for name in EVENT_TYPES}
    assert report == SimulationReport(len(events), len(truth), counts, unrecorded_purchases=0)


def test_truth_names_the_first_cart_of_every_session_and_product(tmp_path: Path) -> None:
    out = shop(tmp_path / "shop")
    pair = ["user_session", "product_id"]
    carts = events_of(out).filter(pl.col("event_type") == "cart")
    first = carts.group_by(*pair, "user_id").agg(pl.col("event_time").min().alias("cart_time"))
    keys = [*pair, "user_id", "cart_time"]
    truth = truth_of(out).with_columns(pl.col("cart_time").cast(first["cart_time"].dtype))
    assert truth.select(keys).sort(keys).equals(first.select(keys).sort(keys))
    assert truth["purchase_probability"].is_between(0, 1, closed="none").all()


@pytest.mark.parametrize(
    "start", [NOON, NOON.replace(tzinfo=None), NOON.astimezone(timezone(timedelta(hours=5)))]
)
def test_outage_hides_all_purchases_in_its_span_and_nothing_else(
    tmp_path: Path, start: datetime
) -> None:
    whole, holed = tmp_path / "whole", tmp_path / "holed"
    shop(whole)
    report = simulate(holed, sessions=2_000, days=3, outage=Outage(start, hours=7))
    events = events_of(whole)
    lost = (pl.col("event_type") == "purchase") & pl.col("event_time").is_between(
        NOON, NOON + timedelta(hours=7), closed="left"
    )
    assert report.unrecorded_purchases == len(events.filter(lost)) > 0
    assert events_of(holed).equals(events.filter(~lost))
    assert truth_of(holed).equals(truth_of(whole))


def test_public_log_has_no_removals_unless_asked_for(tmp_path: Path) -> None:
    events = events_of(shop(tmp_path / "shop"))
    assert "remove_from_cart" not in events["event_type"].unique().to_list()


def test_removals_take_that_share_of_what_is_left_in_the_cart(tmp_path: Path) -> None:
    events = events_of(shop(tmp_path / "shop", sessions=10_000, removals=0.4)).unique()
    pair = ["user_session", "product_id"]
    by_type = {name: rows for (name,), rows in events.group_by("event_type")}
    carts = by_type["cart"].group_by(pair).agg(carted=pl.col("event_time").min())
    left = carts.join(by_type["purchase"], on=pair, how="anti")
    removed = left.join(by_type["remove_from_cart"], on=pair)
    assert len(removed) == len(by_type["remove_from_cart"])
    assert (removed["event_time"] > removed["carted"]).all()
    assert len(removed) / len(left) == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sessions": 0}, "at least one"),
        ({"sessions": -5}, "at least one"),
        ({"days": 0}, "1 to 3660"),
        ({"days": 10_000_000}, "1 to 3660"),
        ({"seed": -1}, "between 0 and 2"),
        ({"seed": 2**63}, "between 0 and 2"),
        ({"removals": 1.5}, "between 0 and 1"),
        ({"removals": float("nan")}, "between 0 and 1"),
        ({"file_format": "xlsx"}, "csv, csv.zst, parquet"),
        ({"start": date(1969, 12, 31)}, "1970"),
        ({"start": date(9999, 12, 31)}, "9989"),
        ({"outage": Outage(NOON, hours=0)}, "at least one hour"),
        ({"outage": Outage(NOON + timedelta(days=30), hours=5)}, "lies outside"),
        ({"outage": Outage(NOON - timedelta(days=30), hours=5)}, "lies outside"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=re.escape(reason)):
        shop(tmp_path / "shop", **options)
    assert not (tmp_path / "shop").exists()


def test_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=re.escape("notes.txt")):
        shop(tmp_path)
    assert files_of(tmp_path) == {"notes.txt": b"mine"}


def test_finished_shop_is_not_overwritten(tmp_path: Path) -> None:
    before = files_of(shop(tmp_path / "shop", seed=1))
    with pytest.raises(OutputError, match="not empty"):
        shop(tmp_path / "shop", seed=2)
    assert files_of(tmp_path / "shop") == before


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        shop(tmp_path / "shop")


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        shop(tmp_path / "file" / "shop")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_interrupted_run_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    progress = FailingProgress(error, tmp_path)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        shop(tmp_path / "shop", progress=progress)
    assert [name for name in progress.seen if name.endswith(f"events-{FIRST_DAY}.csv")]
    assert not (tmp_path / "shop").exists()


def test_interrupted_run_keeps_an_empty_folder_empty(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        shop(tmp_path, progress=FailingProgress(KeyboardInterrupt(), tmp_path))
    assert list(tmp_path.iterdir()) == []


def in_a_process(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_killed_run_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    killed = in_a_process(
        """
import os, signal, sys
from pathlib import Path
from cartwise.data.simulate import simulate
from tests.data.shops import FailingProgress

class Killed(FailingProgress):
    def __call__(self, done: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

out = Path(sys.argv[1])
simulate(out, sessions=2_000, days=3, progress=Killed(KeyboardInterrupt(), out))
""",
        tmp_path / "shop",
    )
    assert killed.returncode == -9
    assert list((tmp_path / "shop").glob("*.csv")) == []
    assert files_of(shop(tmp_path / "shop")) == files_of(shop(tmp_path / "clean"))


def test_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    full = in_a_process(
        """
import resource, sys
from pathlib import Path
from cartwise.data.simulate import simulate
from cartwise.errors import OutputError

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    simulate(Path(sys.argv[1]), sessions=2_000, days=3)
except OutputError as error:
    sys.exit(str(error))
""",
        tmp_path / "shop",
    )
    assert "cannot be written (File too large)" in full.stderr
    assert not (tmp_path / "shop").exists()


PEAK_OF_ONE_DAY = """
import resource, sys
from pathlib import Path
from cartwise.data.simulate import simulate

simulate(Path(sys.argv[1]), sessions=int(sys.argv[2]), days=1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_sessions(tmp_path: Path) -> None:
    peak: Callable[[int], int] = lambda sessions: int(  # noqa: E731 - one line, used twice
        in_a_process(PEAK_OF_ONE_DAY, tmp_path / str(sessions), sessions).stdout
    )
    assert peak(200_000) < 1.6 * peak(20_000)
