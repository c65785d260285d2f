"""What a simulated log looks like, in the figures that are published of the public log."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from cartwise.data.simulator import published
from cartwise.data.simulator.writing import TRUTH_FILE
from cartwise.events import EVENT_SCHEMA, SECONDS_PER_DAY

_PAIR = ["user_session", "product_id"]
_PERCENT = 100.0


@dataclass(frozen=True)
class Figure:
    """One figure of the public log beside the same figure of the simulated one."""

    name: str
    published: float
    simulated: float
    tolerance: float
    """How far apart they may be; far below the difference that a wrong cause would make."""

    @property
    def holds(self) -> bool:
        return abs(self.simulated - self.published) <= self.tolerance


@dataclass(frozen=True)
class Log:
    """A simulated log in memory: events without exact duplicates, and carts with their outcome.

    Sessions are numbers, which are smaller than their texts.
    """

    rows: int
    events: pl.DataFrame
    pairs: pl.DataFrame
    """Rows of the truth with seconds until the purchase in the session and in any session, and
    since the first view."""
    end: datetime

    @classmethod
    def read(cls, folder: Path) -> "Log":
        rows, days = 0, []
        for path in sorted(folder.glob("events-*.csv")):
            day = read_day(path)
            rows += len(day)
            # Copies of an event have its time, so they are in its file.
            days.append(_compact(day.unique(maintain_order=True)))
        events = pl.concat(days)
        truth = _compact(pl.read_parquet(folder / TRUTH_FILE))
        return cls(rows, events, _with_outcomes(truth, events), events["event_time"].max())

    def of_type(self, name: str) -> pl.DataFrame:
        return self.events.filter(pl.col("event_type") == name)

    def mature(self, days: int) -> pl.DataFrame:
        """Pairs whose first so many days lie inside the log."""
        return self.pairs.filter(pl.col("cart_time") <= self.end - timedelta(days=days))


@dataclass(frozen=True)
class Truth:
    """How the probabilities of the truth compare with what happened within a day."""

    carts: int
    base_rate: float
    mean_probability: float
    auc: float
    """The ceiling: area under the ROC curve of the true probabilities."""
    calibration_error: float
    """Mean distance between probability and share bought, over ten equally large bins."""


def read_day(path: Path) -> pl.DataFrame:
    """One file of the log as typed columns."""
    text = pl.Schema(EVENT_SCHEMA) | {"event_time": pl.String()}
    time = pl.col("event_time").str.to_datetime("%Y-%m-%d %H:%M:%S UTC", time_zone="UTC")
    return pl.read_csv(path, schema=text).with_columns(time)


def truth_against_outcomes(log: Log) -> Truth:
    """Truth of the carts whose day lies inside the log."""
    pairs = log.mature(1)
    probability = pairs["purchase_probability"].to_numpy()
    bought = (pairs["seconds_to_purchase"] <= SECONDS_PER_DAY).fill_null(value=False).to_numpy()
    return Truth(
        carts=len(pairs),
        base_rate=float(bought.mean()),
        mean_probability=float(probability.mean()),
        auc=area_under_curve(probability, bought),
        calibration_error=_calibration_error(probability, bought),
    )


def area_under_curve(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve, by ranks (Mann and Whitney)."""
    rank = pl.Series(score).rank().to_numpy()
    count = int(positive.sum())
    return float((rank[positive].sum() - count * (count + 1) / 2) / (count * (len(score) - count)))


def figures(log: Log) -> list[Figure]:
    """All figures, in the order of the page."""
    return [
        *_funnel(log),
        *_outcomes(log),
        *_sessions(log),
        *_people(log),
        *_rows(log),
        *_hours(log),
    ]


def hours(log: Log) -> pl.DataFrame:
    """By hour (UTC): share of the views and purchases per cart, published and simulated."""
    counted = (
        log.events.group_by(pl.col("event_time").dt.hour().alias("hour"), "event_type")
        .len()
        .pivot("event_type", index="hour", values="len")
        .sort("hour")
    )
    views = np.array(published.HOURLY_VIEWS_THOUSAND)
    return counted.select(
        "hour",
        published_views=_PERCENT * pl.Series(views / views.sum()),
        simulated_views=_PERCENT * pl.col("view") / pl.col("view").sum(),
        published_rate=pl.Series(published.HOURLY_PURCHASES_PER_CART),
        simulated_rate=pl.col("purchase") / pl.col("cart"),
    )


def categories(log: Log, count: int) -> pl.DataFrame:
    """The most viewed categories: percent of events, and of cart pairs bought in the session."""
    table = published.categories().head(count)
    events = log.events.group_by("category_id").len("events")
    product = log.events.select("product_id", "category_id").unique("product_id")
    pairs = log.pairs.join(product, on="product_id").group_by("category_id")
    bought = pairs.agg(pairs=pl.len(), bought=_PERCENT * pl.col("bought_in_session").mean())
    known = published.categories()["events_thousand"].sum()
    return (
        table.join(events, on="category_id", how="left", maintain_order="left")
        .join(bought, on="category_id", how="left", maintain_order="left")
        .select(
            pl.coalesce("category_code", pl.col("category_id").cast(pl.String)).alias("category"),
            published_events=_PERCENT * pl.col("events_thousand") / known,
            simulated_events=_PERCENT * pl.col("events") / len(log.events),
            pairs=pl.col("pairs"),
            published_bought=_PERCENT * pl.col("pair_conversion"),
            simulated_bought=pl.col("bought"),
        )
    )


def brands(log: Log, count: int) -> pl.DataFrame:
    """The most viewed brands by users: viewers, and buyers among those who carted, in percent."""
    table = published.brands().head(count)
    users = log.events.group_by("brand", "event_type").agg(pl.col("user_id").n_unique())
    users = users.pivot("event_type", index="brand", values="user_id")
    return table.join(users, on="brand", maintain_order="left").select(
        "brand",
        published_viewers=_PERCENT * pl.col("view_users") / pl.col("view_users").first(),
        simulated_viewers=_PERCENT * pl.col("view") / pl.col("view").first(),
        published_carted=_PERCENT * pl.col("cart_users") / pl.col("view_users"),
        simulated_carted=_PERCENT * pl.col("cart") / pl.col("view"),
        published_bought=_PERCENT * pl.col("purchase_users") / pl.col("cart_users"),
        simulated_bought=_PERCENT * pl.col("purchase") / pl.col("cart"),
    )


def _compact(frame: pl.DataFrame) -> pl.DataFrame:
    """With a number for each session instead of its text."""
    session = pl.col("user_session")
    return frame.with_columns(pl.when(session.is_not_null()).then(session.hash()))


def _with_outcomes(truth: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    first_view = (
        events.filter(pl.col("event_type") == "view")
        .group_by(_PAIR)
        .agg(pl.col("event_time").min().alias("first_view"))
    )
    sales = events.filter(pl.col("event_type") == "purchase").sort("event_time")
    any_session = sales.select("user_id", "product_id", pl.col("event_time").alias("sold"))
    in_session = sales.group_by(_PAIR).agg(pl.col("event_time").min().alias("sold_in_session"))
    pairs = truth.sort("cart_time").join_asof(
        any_session,
        left_on="cart_time",
        right_on="sold",
        by=["user_id", "product_id"],
        strategy="forward",
        check_sortedness=False,
    )
    pairs = pairs.join(first_view, on=_PAIR, how="left").join(in_session, on=_PAIR, how="left")
    since_cart = (pl.col("sold_in_session") - pl.col("cart_time")).dt.total_seconds()
    return pairs.with_columns(
        seconds_to_purchase=(pl.col("sold") - pl.col("cart_time")).dt.total_seconds(),
        seconds_in_session=since_cart,
        bought_in_session=pl.col("sold_in_session").is_not_null(),
        seconds_since_view=(pl.col("cart_time") - pl.col("first_view")).dt.total_seconds(),
    )


def _calibration_error(probability: np.ndarray, bought: np.ndarray) -> float:
    bins = np.array_split(np.argsort(probability), 10)
    error = [len(b) * abs(probability[b].mean() - bought[b].mean()) for b in bins]
    return float(sum(error) / len(bought))


def _funnel(log: Log) -> list[Figure]:
    count = dict(log.events.group_by("event_type").len().iter_rows())
    pairs = len(log.pairs)
    return [
        Figure("carts per 100 views", 4.40, _PERCENT * count["cart"] / count["view"], 0.4),
        Figure("purchases per 100 carts", 33.7, _PERCENT * count["purchase"] / count["cart"], 4),
        Figure("cart events per cart pair", 1.475, count["cart"] / pairs, 0.1),
    ]


def _outcomes(log: Log) -> list[Figure]:
    pairs = log.mature(7)
    left = pairs.filter(~pl.col("bought_in_session"))
    delay = left["seconds_to_purchase"]
    later = {
        days: _PERCENT * (delay <= days * SECONDS_PER_DAY).fill_null(value=False).mean()
        for days in (1, 3, 7)
    }
    in_session = _PERCENT * pairs["bought_in_session"].mean()
    return [
        Figure("cart pairs bought in the session, %", 48.5, in_session, 9.0),
        Figure("of the others, bought within 1 day, %", 10.0, later[1], 1.5),
        Figure("of the others, bought within 3 days, %", 12.2, later[3], 1.5),
        Figure("of the others, bought within 7 days, %", 13.8, later[7], 2.0),
        Figure("median seconds, view to cart", 57, pairs["seconds_since_view"].median(), 8),
        Figure("median seconds, cart to purchase", 88, pairs["seconds_in_session"].median(), 15),
    ]


def _sessions(log: Log) -> list[Figure]:
    size = log.events.drop_nulls("user_session").group_by("user_session").len()["len"]
    shares = [
        Figure(
            f"sessions of {least} to {most} events, %" if most > 1 else "sessions of 1 event, %",
            _PERCENT * share,
            _PERCENT * float(size.is_between(least, most).mean()),
            2.5,
        )
        for least, most, share in published.SESSION_EVENTS
    ]
    longer = Figure("sessions of more events, %", 3.0, _PERCENT * float((size > 20).mean()), 1.0)
    return [*shares, longer, Figure("events per session", 4.78, float(size.mean()), 0.25)]


def _people(log: Log) -> list[Figure]:
    users = log.events["user_id"].n_unique()
    buyers = log.of_type("purchase")["user_id"].n_unique()
    daily = log.events.group_by("user_id", pl.col("event_time").dt.date().alias("day")).agg(
        sessions=pl.col("user_session").n_unique(), events=pl.len()
    )
    robots = 1e6 * (daily["events"] > 300).sum() / log.events["user_session"].n_unique()
    return [
        Figure("sessions per user on a day", 1.43, float(daily["sessions"].mean()), 0.15),
        Figure("users who buy, %", 12.6, _PERCENT * buyers / users, 2.0),
        Figure("user-days above 300 events, per million sessions", 12.4, robots, 40),
    ]


def _rows(log: Log) -> list[Figure]:
    events, price = log.events, log.events["price"]
    copies = 1e6 * (1 - len(events) / log.rows)
    zero = 1e6 * float((price == 0).mean())
    missing = {name: _PERCENT * events[name].null_count() / len(events) for name in events.columns}
    quartile = {share: price.quantile(share) for share in (0.25, 0.5, 0.75)}
    return [
        Figure("price, first quartile", 64, quartile[0.25], 10),
        Figure("price, median", 163, quartile[0.5], 15),
        Figure("price, third quartile", 349, quartile[0.75], 45),
        Figure("rows without category_code, %", 31.8, missing["category_code"], 2.5),
        Figure("rows without brand, %", 14.4, missing["brand"], 2.5),
        Figure("rows at price 0, per million", 1e6 * published.PRICE_ZERO_SHARE, zero, 1200),
        Figure("exact duplicates, per million", 1e6 * published.DUPLICATE_SHARE, copies, 350),
    ]


def _hours(log: Log) -> list[Figure]:
    table = hours(log)
    views = float(table.select(pl.corr("published_views", "simulated_views")).item())
    rates = table.select("published_rate", "simulated_rate").to_numpy()
    covariance = np.cov(rates, rowvar=False, aweights=table["simulated_views"].to_numpy())
    alike = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    return [
        Figure("busiest hour (UTC)", 16, int(table["simulated_views"].arg_max()), 1),
        Figure("correlation of the hours' views", 1.0, views, 0.01),
        Figure("correlation of the hours' purchases per cart", 1.0, float(alike), 0.3),
    ]
