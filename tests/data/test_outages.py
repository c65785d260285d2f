"""Outages: found where the log shows them, and never where chance or custom explains the hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.data.ingest import ingest
from cartwise.data.log import Log
from cartwise.data.outages import detect, hourly_counts
from cartwise.data.simulate import Outage, simulate
from cartwise.data.spans import Span
from tests.samples import sample

MONDAY = datetime(2019, 11, 4, tzinfo=UTC)
BUSY = 200_000
SMALL = 2_000
SEEDS = range(16)


@dataclass(frozen=True)
class Shop:
    """A shop whose hours are drawn from rates: views, of which some cart, of which some buy."""

    views_per_day: int
    days: int = 42
    weekly: float = 0.3
    """How far a day of the week may be from the others."""
    growth: float = 1.0
    """Views at the end, as a multiple of those at the begin."""
    daily: float = 0.1
    """How much a day differs from the next for no reason that anybody knows."""
    flood_from: int | None = None
    """Three days from this one see four times the views, and more carts per view."""
    dearer_from: int | None = None
    """From this day on a quarter fewer carts are bought."""

    def counts(self, seed: int) -> pl.DataFrame:
        """Views, carts and purchases by hour."""
        rng, hours = np.random.default_rng(seed), np.arange(self.days * 24)
        views = rng.poisson(self._view_rate(rng, hours))
        per_view = 0.04 * self._by_day(rng) * np.where(self._flooded(hours), 1.4, 1.0)
        per_cart = 0.33 * self._by_day(rng) * (1 - 0.4 * np.cos(hours / 24 * 2 * np.pi))
        if self.dearer_from is not None:
            per_cart[self.dearer_from * 24 :] *= 0.75
        carts = rng.binomial(views, per_view)
        bought = rng.binomial(carts, np.minimum(per_cart, 1))
        return _counted(
            [MONDAY + timedelta(hours=int(hour)) for hour in hours], views, carts, bought
        )

    def _view_rate(self, rng: np.random.Generator, hours: np.ndarray) -> np.ndarray:
        by_hour = 0.15 + np.exp(-(((hours % 24 - 15) / 5) ** 2))
        by_weekday = 1 + self.weekly * np.array([-1, -0.5, 0, 0, 0.2, 0.6, 0.7])[hours // 24 % 7]
        trend = self.growth ** (hours / len(hours)) * np.where(self._flooded(hours), 4, 1)
        usual = self.views_per_day / 24 / by_hour[:24].mean()
        return usual * by_hour * by_weekday * trend * self._by_day(rng)

    def _by_day(self, rng: np.random.Generator) -> np.ndarray:
        return np.exp(self.daily * rng.standard_normal(self.days)).repeat(24)

    def _flooded(self, hours: np.ndarray) -> np.ndarray:
        day = hours // 24 - (self.days if self.flood_from is None else self.flood_from)
        return (day >= 0) & (day < 3)


def _counted(
    begins: Sequence[datetime], views: np.ndarray, carts: np.ndarray, purchases: np.ndarray
) -> pl.DataFrame:
    """As ``hourly_counts`` gives them: hours without any event have no row."""
    columns = {"hour": begins, "views": views, "carts": carts, "purchases": purchases}
    return pl.DataFrame(columns).filter(pl.col("views") > 0)


def _lose(
    counts: pl.DataFrame, column: str, start: datetime, end: datetime, share: float = 1.0
) -> pl.DataFrame:
    inside = pl.col("hour").is_between(start, end, closed="left")
    left = (pl.col(column) * (1 - share)).round().cast(pl.Int64)
    return counts.with_columns(pl.when(inside).then(left).otherwise(column).alias(column))


def _day(number: int, hour: int = 0) -> datetime:
    return MONDAY + timedelta(days=number, hours=hour)


def _published(name: str) -> pl.DataFrame:
    return pl.read_csv(sample(f"published/{name}"), try_parse_dates=True)


def _of_kind(spans: Sequence[Span], kind: str) -> list[tuple[str, str]]:
    return [
        (f"{span.start:%Y-%m-%d}", f"{span.end:%Y-%m-%d}") for span in spans if span.kind == kind
    ]


def _by_hour(days: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Published days from 2019-10-01, each spread over its hours as the published hours are."""
    hours, rng = _published("hourly-2019-10-11.csv"), np.random.default_rng(seed)
    spread = [
        rng.poisson(np.outer(days[name], hours[name] / hours[name].sum())).ravel()
        for name in ("views", "carts", "purchases")
    ]
    first = datetime(2019, 10, 1, tzinfo=UTC)
    begins = [first + timedelta(hours=i) for i in range(len(days) * len(hours))]
    return _counted(begins, *spread)


def test_published_days_give_the_missing_purchases_with_their_low_neighbours() -> None:
    spans = detect(_published("daily-2019-10-11.csv").rename({"date": "hour"}))

    assert _of_kind(spans, "purchases_missing") == [("2019-11-14", "2019-11-17")]


def test_published_days_give_the_weeks_of_incomplete_carts() -> None:
    spans = detect(_published("daily-2019-10-11.csv").rename({"date": "hour"}))

    assert _of_kind(spans, "carts_missing") == [("2019-10-01", "2019-11-08")]
    assert _of_kind(spans, "events_missing") == []


@pytest.mark.parametrize("seed", range(3))
def test_published_hours_give_the_same_spans_as_the_days(seed: int) -> None:
    spans = detect(_by_hour(_published("daily-2019-10-11.csv"), seed))

    assert _of_kind(spans, "carts_missing") == [("2019-10-01", "2019-11-08")]
    [lost] = [span for span in spans if span.kind == "purchases_missing"]
    assert lost.start <= datetime(2019, 11, 15, tzinfo=UTC)
    assert datetime(2019, 11, 16, 12, tzinfo=UTC) <= lost.end
    assert len(spans) == 2


def test_published_events_of_seven_months_lack_only_the_end_of_february() -> None:
    days = _published("daily-events-2019-10-to-2020-04.csv")
    counts = days.select(views="daily_events", carts=pl.lit(0), purchases=pl.lit(0))

    spans = detect(_by_hour(counts, 0))

    assert [span.kind for span in spans] == ["events_missing"]
    assert spans[0].start == datetime(2020, 2, 27, tzinfo=UTC)
    assert spans[0].end <= datetime(2020, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "shop",
    [
        Shop(50),
        Shop(SMALL),
        Shop(20_000),
        Shop(BUSY),
        Shop(SMALL, weekly=0.9),
        Shop(BUSY, weekly=0.9),
        Shop(SMALL, flood_from=25),
        Shop(BUSY, flood_from=25),
        Shop(SMALL, growth=8),
        Shop(BUSY, growth=8),
        Shop(BUSY, growth=1 / 8),
        Shop(BUSY, daily=0.3),
        Shop(BUSY, dearer_from=20),
        Shop(BUSY, days=9),
        Shop(BUSY, days=1),
    ],
    ids=repr,
)
def test_a_log_without_outage_gives_no_span(shop: Shop) -> None:
    assert [span for seed in SEEDS for span in detect(shop.counts(seed))] == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("views_per_day", "start", "end"),
    [
        (BUSY, _day(20, 12), _day(20, 14)),
        (BUSY, _day(20, 21), _day(21, 3)),
        (BUSY, _day(20), _day(21)),
        (BUSY, _day(20), _day(30)),
        (BUSY, _day(41), _day(41, 23)),
        (5_000, _day(20), _day(21)),
        (SMALL, _day(20), _day(23)),
    ],
)
def test_lost_purchases_are_found_to_the_hour_that_the_shop_allows(
    views_per_day: int, start: datetime, end: datetime, seed: int
) -> None:
    counts = _lose(Shop(views_per_day).counts(seed), "purchases", start, end)

    [span] = detect(counts)

    slack = timedelta(hours=1 if views_per_day == BUSY else 24)
    assert span.kind == "purchases_missing"
    assert abs(span.start - start) <= slack
    assert abs(span.end - end) <= slack
    assert span.severity > 0.7


@pytest.mark.parametrize("seed", range(5))
def test_a_night_without_purchases_says_nothing_in_a_small_shop(seed: int) -> None:
    counts = _lose(Shop(SMALL).counts(seed), "purchases", _day(20, 22), _day(21, 4))

    assert detect(counts) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_day_without_carts_is_found_and_asks_for_no_purchases(seed: int) -> None:
    counts = _lose(Shop(BUSY).counts(seed), "carts", _day(20), _day(21))

    [span] = detect(counts)

    assert (span.kind, span.start, span.end) == ("carts_missing", _day(20), _day(21))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("first", "past"), [(0, 15), (14, 28), (27, 42)])
@pytest.mark.parametrize("views_per_day", [5_000, BUSY])
def test_weeks_with_half_of_the_carts_are_found_to_the_day(
    views_per_day: int, first: int, past: int, seed: int
) -> None:
    counts = Shop(views_per_day).counts(seed)

    [span] = detect(_lose(counts, "carts", _day(first), _day(past), share=0.6))

    assert span.kind == "carts_missing"
    assert abs(span.start - _day(first)) <= timedelta(days=2)
    assert abs(span.end - _day(past)) <= timedelta(days=2)


def test_hours_without_any_event_are_found_though_they_have_no_row() -> None:
    counts = Shop(BUSY).counts(0)
    silent = pl.col("hour").is_between(_day(20, 10), _day(20, 16), closed="left")

    spans = detect(counts.filter(~silent))

    found = [(span.start, span.end) for span in spans if span.kind == "events_missing"]
    assert found == [(_day(20, 10), _day(20, 16))]


def test_the_reason_tells_what_was_there_and_what_was_expected() -> None:
    counts = _lose(Shop(BUSY, daily=0).counts(0), "purchases", _day(20), _day(21))

    [span] = detect(counts)

    usual = counts.filter(pl.col("hour").is_between(_day(13), _day(14), closed="left"))
    assert span.reason.startswith("0 purchases where ")
    expected = int(span.reason.split()[3].replace(",", ""))
    assert expected == pytest.approx(usual["purchases"].sum(), rel=0.1)
    assert span.severity == 1.0


@pytest.mark.parametrize("rows", [0, 1])
def test_a_log_of_an_hour_or_less_gives_no_span(rows: int) -> None:
    assert detect(Shop(BUSY, days=1).counts(0).head(rows)) == []


def _simulated_lake(folder: Path, outage: Outage | None) -> Path:
    simulate(folder / "raw", sessions=30_000, days=14, seed=3, outage=outage)
    ingest(sorted((folder / "raw").glob("events-*")), folder / "lake")
    return folder / "lake"


def test_a_simulated_outage_is_found_in_the_lake(tmp_path: Path) -> None:
    outage = Outage(datetime(2019, 11, 16, 6, tzinfo=UTC), hours=12)

    [span] = detect(hourly_counts(Log.read(_simulated_lake(tmp_path, outage))))

    assert span.kind == "purchases_missing"
    end, slack = outage.start + timedelta(hours=outage.hours), timedelta(hours=4)
    assert span.start <= outage.start + slack
    assert end - slack <= span.end
    assert span.end - span.start <= timedelta(hours=36)


def test_a_simulated_log_without_outage_gives_no_span(tmp_path: Path) -> None:
    assert detect(hourly_counts(Log.read(_simulated_lake(tmp_path, None)))) == []


def test_hourly_counts_count_every_event_of_the_lake(tmp_path: Path) -> None:
    lake = _simulated_lake(tmp_path, None)
    events = pl.concat(pl.read_parquet(file) for file in sorted(lake.rglob("events.parquet")))

    counts = hourly_counts(Log.read(lake))

    by_type = dict(events["event_type"].value_counts().iter_rows())
    names = {
        "views": "view",
        "carts": "cart",
        "removals": "remove_from_cart",
        "purchases": "purchase",
    }
    assert {name: counts[name].sum() for name in names} == {
        name: by_type.get(kind, 0) for name, kind in names.items()
    }
    hour = counts.row(
        by_predicate=pl.col("hour") == datetime(2019, 11, 9, 9, tzinfo=UTC), named=True
    )
    of_hour = events.filter(pl.col("event_time").dt.truncate("1h") == hour["hour"])
    assert hour["views"] == of_hour.filter(event_type="view").height
