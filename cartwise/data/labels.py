"""Which carts are examples, and whether each was bought: read from the carts and purchases alone.

Days are looked at one by one, with as many days after them as the horizon reaches, and pairs of
session and product are forgotten in time, so that memory does not grow with the log.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cartwise.ahead import map_ahead
from cartwise.data.lake import scanned_day
from cartwise.events import SECONDS_PER_DAY
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.kernel import NEVER
from cartwise.features.keys import KeyColumns
from cartwise.features.table import KeyIndex, grow
from cartwise.features.walk import are_first

Scope = Literal["user", "session"]

_PAIR: Final = SPECIFICATION.entity("session_product")

PAIR_MEMORY_SECONDS: Final = _PAIR.time_to_live_seconds
"""A session and product that were not carted for so long are carted for the first time again."""

_FEW: Final = 100_000
"""So few pairs are not worth looking through."""

_THREADS: Final = 2

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
    yield from map_ahead(partial(_labelled, settings), _windows(lake, days, ahead), _THREADS)


def cart_rows(lake: Path, days: Sequence[date]) -> dict[date, NDArray[np.int64]]:
    """Places of the carts in each day's file, whatever became of them."""
    windows = _windows(lake, days, ahead=timedelta())
    return {day: carts["row"].cast(pl.Int64).to_numpy() for day, carts, _ in windows}


class _Window(NamedTuple):
    """A day with its first carts, and with all carts and purchases from it to some days on."""

    day: date
    carts: pl.DataFrame
    actions: pl.DataFrame


def _windows(lake: Path, days: Sequence[date], ahead: timedelta) -> Iterator[_Window]:
    first_carts = FirstCarts()
    arriving = map_ahead(partial(_actions, lake), days, _THREADS)
    window: deque[pl.DataFrame] = deque()
    for place, day in enumerate(days):
        while place + len(window) < len(days) and days[place + len(window)] <= day + ahead:
            window.append(next(arriving))
        yield _Window(day, first_carts.of(window[0]), pl.concat(window))
        window.popleft()


def _labelled(settings: LabelSettings, window: _Window) -> tuple[date, pl.DataFrame]:
    bought = _is_bought(window.carts, window.actions, settings)
    return window.day, window.carts.select("row", "time", bought)


class FirstCarts:
    """Tells the carts that no cart event of their session and product came before, day by day."""

    def __init__(self) -> None:
        self._pairs = KeyIndex()
        self._last = np.empty(0)
        self._living = _FEW

    def of(self, today: pl.DataFrame) -> pl.DataFrame:
        """Those of the next day, in log order; it has the columns that :func:`_actions` gives."""
        carts = today.filter("is_cart")
        keys = KeyColumns.of(carts, _PAIR.key).keys(_PAIR)
        times = carts["time"].to_numpy()
        self._forget(times)
        before = self._pairs.count
        rows = self._pairs.locate(*keys)
        self._last = grow(self._last, self._pairs.count)
        self._last[before : self._pairs.count] = NEVER
        is_first = np.empty(len(rows), dtype=np.bool_)
        are_first(rows, times, self._last, PAIR_MEMORY_SECONDS, is_first)
        return carts.filter(is_first)

    def _forget(self, times: NDArray[np.int64]) -> None:
        if not len(times) or self._pairs.count < 2 * self._living:
            return
        count = self._pairs.count
        living = times[0] - self._last[:count] <= PAIR_MEMORY_SECONDS
        self._pairs = KeyIndex(self._pairs.keys[:count][living])
        self._last = self._last[:count][living]
        self._living = max(self._pairs.count, _FEW)


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
    with scanned_day(lake, day) as events:
        return (
            events.with_row_index("row")
            .filter(pl.col("event_type").is_in(["cart", "purchase"]))
            .select(
                "row",
                "user_id",
                *_PAIR.key,
                time=pl.col("event_time").dt.epoch("s"),
                is_cart=pl.col("event_type") == "cart",
            )
            .collect()
        )
