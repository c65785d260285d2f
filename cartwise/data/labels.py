"""Which carts are examples, and whether each was bought: read from the carts and purchases alone.

Days are looked at one by one, with as many days around them as a pair's memory and the horizon
reach, so that memory does not grow with the log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.data.lake import scan_day
from cartwise.events import SECONDS_PER_DAY
from cartwise.features.catalogue import SPECIFICATION

Scope = Literal["user", "session"]

PAIR_MEMORY_SECONDS: Final = SPECIFICATION.entity("session_product").time_to_live_seconds
"""A session and product that were not carted for so long are carted for the first time again."""

_PAIR: Final = ("user_session", "product_id")
_BOUGHT_BY: Final[dict[Scope, list[str]]] = {
    "user": ["user_id", "product_id"],
    "session": ["user_id", "product_id", "user_session"],
}
_ROWS_PER_SECOND: Final = 2**29
"""More than a second can have, so that time and row make one number in log order."""


@dataclass(frozen=True)
class LabelSettings:
    """What counts as bought.

    Attributes:
        horizon_seconds: a purchase counts up to, and including, so many seconds after the cart.
        scope: whether it may be in any session of the user, or only in the cart's own.
    """

    horizon_seconds: int = SECONDS_PER_DAY
    scope: Scope = "user"


def labelled_carts(
    lake: Path, days: Sequence[date], settings: LabelSettings
) -> Iterator[tuple[date, pl.DataFrame]]:
    """Yield every day of a lake with its carts, in log order.

    Columns: row (UInt32, place in the day's file), time (Int64, seconds since the Unix epoch) and
    bought (Boolean). A cart is the first cart event of a session and product; a row without a
    session is none.
    """
    ahead = timedelta(days=1 + settings.horizon_seconds // SECONDS_PER_DAY)
    for day, carts, actions in _windows(lake, days, ahead):
        yield day, carts.select("row", "time", _is_bought(carts, actions, settings))


def cart_rows(lake: Path, days: Sequence[date]) -> dict[date, NDArray[np.int64]]:
    """Places of the carts in each day's file, whatever became of them."""
    windows = _windows(lake, days, ahead=timedelta())
    return {day: carts["row"].cast(pl.Int64).to_numpy() for day, carts, _ in windows}


def _windows(
    lake: Path, days: Sequence[date], ahead: timedelta
) -> Iterator[tuple[date, pl.DataFrame, pl.DataFrame]]:
    """Every day with its carts, and with all carts and purchases from it to ``ahead`` of it."""
    back = timedelta(days=1 + PAIR_MEMORY_SECONDS // SECONDS_PER_DAY)
    window: dict[date, pl.DataFrame] = {}
    for day in days:
        around = [other for other in days if day - back <= other <= day + ahead]
        window = {
            other: window[other] if other in window else _actions(lake, other) for other in around
        }
        carts = first_carts(window[day], [window[other] for other in around if other < day])
        yield day, carts, pl.concat(window[other] for other in around if other >= day)


def first_carts(today: pl.DataFrame, before: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The cart events of today that no cart event of their session and product came before."""
    carts = today.filter(pl.col("is_cart") & pl.col("user_session").is_not_null())
    earlier = pl.concat([frame.filter("is_cart") for frame in before] or [carts.clear()])
    last = earlier.group_by(_PAIR).agg(pl.col("time").max().alias("last"))
    previous = pl.coalesce(pl.col("time").shift(1).over(_PAIR), "last")
    is_first = previous.is_null() | (pl.col("time") - previous > PAIR_MEMORY_SECONDS)
    return carts.join(last, on=_PAIR, how="left", maintain_order="left").filter(is_first)


def _is_bought(carts: pl.DataFrame, actions: pl.DataFrame, settings: LabelSettings) -> pl.Series:
    by = _BOUGHT_BY[settings.scope]
    order = (pl.col("time") * _ROWS_PER_SECOND + pl.col("row")).alias("order")
    purchases = (
        actions.filter(~pl.col("is_cart")).select(order, *by, bought_at="time").sort("order")
    )
    followed = carts.select(order, "time", *by).join_asof(
        purchases, on="order", by=by, strategy="forward", check_sortedness=False
    )
    in_time = pl.col("bought_at") - pl.col("time") <= settings.horizon_seconds
    return followed.select(bought=in_time.fill_null(value=False)).to_series()


def _actions(lake: Path, day: date) -> pl.DataFrame:
    """The carts and purchases of a day, which are few among its events."""
    return (
        scan_day(lake, day)
        .with_row_index("row")
        .filter(pl.col("event_type").is_in(["cart", "purchase"]))
        .select(
            "row",
            "user_id",
            *_PAIR,
            time=pl.col("event_time").dt.epoch("s"),
            is_cart=pl.col("event_type") == "cart",
        )
        .collect()
    )
