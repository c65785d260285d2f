"""The shop by another hand, and the plain recipe that is measured on it beside Cartwise."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import plain_recipe, strangers_shop
from benchmarks.plain_recipe import COUNTERS, Carts, counted, scored
from cartwise.data.ingest import ingest
from cartwise.data.training_set import build
from cartwise.events import EVENT_SCHEMA
from cartwise.model.examples import TrainingSet
from cartwise.model.training import train
from tests.reference import Event, vector


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of 12,000 sessions with what a run leaves of it."""
    folder = tmp_path_factory.mktemp("shop")
    raw = folder / "raw"
    strangers_shop.main([str(raw), "--sessions", "12000", "--kind", "mixed", "--seed", "3"])
    ingest(sorted(raw.glob("day-*.parquet")), folder / "events")
    build(folder / "events", folder / "training")
    train(folder / "training", folder / "model")
    return folder


def test_every_cart_of_the_log_has_the_probability_by_which_it_was_bought(shop: Path) -> None:
    truth = pl.read_parquet(shop / "raw" / "truth.parquet")
    log = pl.read_parquet(sorted((shop / "raw").glob("day-*.parquet")))
    keys = ["user_session", "product_id"]
    carts, bought = (log.filter(event_type=kind) for kind in ("cart", "purchase"))
    assert carts.select(keys).sort(keys).equals(truth.select(keys).sort(keys))
    assert bought.join(truth, on=keys, how="anti").is_empty()
    probability = truth["purchase_probability"]
    drawn = bought.height - probability.sum()
    assert abs(drawn) < 4 * np.sqrt((probability * (1 - probability)).sum())


def test_a_strangers_log_passes_the_contract(shop: Path, tmp_path: Path) -> None:
    report = ingest(sorted((shop / "raw").glob("day-*.parquet")), tmp_path / "events")
    assert report.quarantined == 0
    assert report.rows_in == report.rows_out + report.duplicates


def test_the_same_seed_gives_the_same_shop(shop: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    strangers_shop.main([str(again), "--sessions", "12000", "--kind", "mixed", "--seed", "3"])
    for file in sorted((shop / "raw").iterdir()):
        assert pl.read_parquet(again / file.name).equals(pl.read_parquet(file))


def test_the_plain_recipe_counts_as_the_reference_does(shop: Path) -> None:
    data = TrainingSet.open(shop / "training")
    test = data.columns("test", ["cart_time", "row"])
    log = pl.concat(
        pl.read_parquet(file, hive_partitioning=False)
        for file in sorted((shop / "events").glob("*/events.parquet"))
    )
    vectors = counted(shop / "events", data)["test"].vectors
    assert vectors.shape == (test.height, 210)
    arrived = _events(log)
    first_rows = (
        log.with_row_index().group_by(pl.col("event_time").dt.date()).agg(pl.col("index").min())
    )
    first_row = dict(first_rows.rows())
    for place in (0, test.height // 2, test.height - 1):
        time, row = test.row(place)
        expected = vector(COUNTERS, arrived[: first_row[time.date()] + row + 1])
        np.testing.assert_allclose(vectors[place], list(expected.values()), rtol=1e-5, atol=1e-9)


def _events(log: pl.DataFrame) -> list[Event]:
    columns = [name for name in Event.__dataclass_fields__ if name != "time"]
    assert set(columns) < set(EVENT_SCHEMA.names())
    times = log["event_time"].dt.epoch("s")
    rows = log.select(columns).iter_rows(named=True)
    return [Event(time=time, **row) for time, row in zip(times, rows, strict=True)]


def test_the_plain_recipe_finds_what_decides() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(3000, 5)).astype(np.float32)
    bought = (vectors[:, 0] + random.normal(size=3000) > 0).astype(np.float64)
    learned, held, test = (Carts(vectors[i::3], bought[i::3]) for i in range(3))
    for margin in (scored(learned, None, test), scored(learned, held, test)):
        assert np.corrcoef(margin, test.vectors[:, 0])[0, 1] > 0.6


def test_the_table_sets_the_recipe_beside_cartwise(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = shop / "raw" / "truth.parquet"
    assert plain_recipe.main([str(shop), "--truth", str(truth)]) == 0
    printed = capsys.readouterr().out
    assert [line.split(" |")[0] for line in printed.splitlines()[4:]] == [
        "| plain recipe, 100 rounds",
        "| plain recipe, stopped early",
        "| Cartwise",
    ]
