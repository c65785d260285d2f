"""What a simulated shop must look like: the published figures, and a truth that comes true."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import shop_figures
from benchmarks.shop_figures import Figure, Log
from benchmarks.simulated_shop import BEGIN, END, main, write_into
from cartwise.data.simulate import simulate
from cartwise.events import SECONDS_PER_DAY

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulator.md"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    out = tmp_path_factory.mktemp("shop") / "log"
    simulate(out, sessions=120_000, days=28, seed=5)
    return Log.read(out)


@pytest.fixture(scope="module")
def outcomes(log: Log) -> pl.DataFrame:
    """Carts with a whole day after them, whether bought, and the distance from the truth."""
    bought = (pl.col("seconds_to_purchase") <= SECONDS_PER_DAY).fill_null(value=False)
    return log.mature(1).with_columns(
        bought=bought.cast(pl.Float64),
        surprise=bought - pl.col("purchase_probability"),
        variance=pl.col("purchase_probability") * (1 - pl.col("purchase_probability")),
    )


def standard_errors(rows: pl.DataFrame) -> float:
    """How far what happened lies from what was likely."""
    return abs(rows["surprise"].sum()) / np.sqrt(rows["variance"].sum())


def test_figures_are_as_published(log: Log) -> None:
    apart = [figure for figure in shop_figures.figures(log) if not figure.holds]
    assert apart == []


def test_figure_holds_only_within_its_tolerance() -> None:
    assert Figure("price", 64, 60, tolerance=5).holds
    assert not Figure("price", 64, 58, tolerance=5).holds


def test_truth_comes_true_over_its_whole_range(outcomes: pl.DataFrame) -> None:
    ordered = outcomes.sort("purchase_probability")
    tenth = len(ordered) // 10
    tenths = [ordered.slice(place * tenth, tenth) for place in range(10)]
    assert max(map(standard_errors, tenths)) < 4
    assert tenths[9]["bought"].mean() - tenths[0]["bought"].mean() > 0.7


def test_truth_comes_true_whatever_the_cart(outcomes: pl.DataFrame) -> None:
    """A truth that ignored the hour, the haste or an earlier cart would fail here."""
    haste = pl.col("seconds_since_view").rank() * 4 // pl.len()
    earlier = pl.col("cart_time").rank("ordinal").over("user_id", "product_id") > 1
    for slice_of in (haste, pl.col("cart_time").dt.hour() // 4, earlier):
        slices = outcomes.group_by(slice_of.alias("slice"))
        worst = max(standard_errors(rows) for _, rows in slices if len(rows) > 200)
        assert worst < 4.5


def test_ceiling_and_base_rate_are_those_of_a_shop(log: Log) -> None:
    truth = shop_figures.truth_against_outcomes(log)
    assert 0.78 <= truth.auc <= 0.82
    assert 0.45 <= truth.base_rate <= 0.50


def test_area_under_curve_counts_pairs_in_the_right_order() -> None:
    score, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    assert shop_figures.area_under_curve(score, positive) == pytest.approx(3.5 / 4)


def test_categories_and_brands_sell_as_published(log: Log) -> None:
    categories = shop_figures.categories(log, 40).filter(pl.col("pairs") > 100)
    assert correlation(categories, "events") > 0.95
    assert correlation(categories, "bought") > 0.5
    brands = shop_figures.brands(log, 12).fill_nan(None).drop_nulls()
    assert correlation(brands, "viewers") > 0.95
    assert correlation(brands, "carted") > 0.9
    assert correlation(brands, "bought") > 0.6


def correlation(table: pl.DataFrame, name: str) -> float:
    return float(table.select(pl.corr(f"published_{name}", f"simulated_{name}")).item())


def test_log_shows_what_a_buyer_does_differently(outcomes: pl.DataFrame, log: Log) -> None:
    """Haste after the last look, and what became of earlier carts of product, user and hour."""
    looks = log.of_type("view").select(
        "user_session", "product_id", pl.col("event_time").alias("look")
    )
    order = outcomes.sort("cart_time").join_asof(
        looks.sort("look"),
        left_on="cart_time",
        right_on="look",
        by=["user_session", "product_id"],
        check_sortedness=False,
    )
    haste = (pl.col("look") - pl.col("cart_time")).dt.total_seconds()
    past = [
        (pl.col("bought").cum_sum().over(key) - pl.col("bought") + 1)
        / (pl.col("bought").cum_count().over(key) + 1)
        for key in ("product_id", "user_id", "hour")
    ]
    signals = order.with_columns(hour=pl.col("cart_time").dt.hour()).select(
        haste, *(rate.alias(str(k)) for k, rate in enumerate(past))
    )
    bought = order["bought"].to_numpy() > 0
    for name in signals.columns:
        value = signals[name].to_numpy()
        assert shop_figures.area_under_curve(value[5000:], bought[5000:]) > 0.52


def test_promotions_show_as_lower_prices_and_sell(log: Log, outcomes: pl.DataFrame) -> None:
    prices = log.events.filter(pl.col("price") > 0).group_by(
        "product_id", pl.col("event_time").dt.date().alias("day")
    )
    usual = pl.col("price").median().over("product_id")
    reduced = prices.agg(pl.col("price").first()).with_columns(
        reduced=pl.col("price") < 0.85 * usual
    )
    carts = outcomes.with_columns(day=pl.col("cart_time").dt.date())
    sold = (
        carts.join(reduced, on=["product_id", "day"])
        .group_by("reduced")
        .agg(pl.col("bought").mean(), pl.len())
    )
    rate = dict(sold.select("reduced", "bought").iter_rows())
    assert 0.01 < reduced["reduced"].mean() < 0.15
    assert rate[True] > rate[False] + 0.05


def test_page_shows_the_figures_that_are_measured(log: Log) -> None:
    measured = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    for figure in shop_figures.figures(log):
        assert f"| {figure.name} |" in measured


def test_page_keeps_what_stands_around_the_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_into(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_command_prints_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--sessions", "3000"])
    printed = capsys.readouterr().out
    assert "| sessions asked for | 3,000 |" in printed
    assert "### The most viewed brands" in printed
