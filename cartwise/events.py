"""The event: one row of a shop's log, its nine columns, their types and their order.

Log order is ``(event_time, position)``: ``event_time`` has a resolution of one second, so ties
are everywhere and the place of a row in its file decides.
"""

from typing import Final

import polars as pl

EVENT_TYPES: Final = ("view", "cart", "remove_from_cart", "purchase")
"""Event types in the order of their codes: a type's code is its place in this tuple."""

EVENT_SCHEMA: Final = pl.Schema(
    {
        "event_time": pl.Datetime("us", "UTC"),
        "event_type": pl.Enum(EVENT_TYPES),
        "product_id": pl.Int64(),
        "category_id": pl.Int64(),
        "category_code": pl.String(),
        "brand": pl.String(),
        "price": pl.Float64(),
        "user_id": pl.Int64(),
        "user_session": pl.String(),
    }
)
"""The nine columns of the log with their types in the lake."""

COLUMNS: Final = tuple(EVENT_SCHEMA.names())

HIGHEST_PRICE: Final = 1e12
"""Prices lie below: sums of them stay far from the end of what a float holds."""

TEXTS: Final = tuple(name for name, kind in EVENT_SCHEMA.items() if kind == pl.String())
"""The columns that hold text, and may be empty."""

LONGEST_TEXT: Final = 1000
"""So many characters a text has at most: a longer one is a mistake."""

SECONDS_PER_HOUR: Final = 3600
SECONDS_PER_DAY: Final = 86_400
