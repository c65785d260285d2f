"""Published figures of the REES46 multi category log that the simulated shop is calibrated to.

Source: the public log "eCommerce behavior data from multi category store" (Open CDP, Kaggle
``mkechinov/ecommerce-behavior-data-from-multi-category-store``) as published aggregates:

- ``categories.csv``: the 150 most viewed categories of October 2019. Users who viewed and carted
  are the published funnel; ``events_thousand`` is published per category code or per top level and
  shared out by viewers below that; ``pair_conversion`` is the share of carted (session, product)
  pairs bought in their session; price median, spread of the log price, share of rows without a
  brand and leading brands (percent) are estimates from public samples of the log.
- ``brands.csv``: October funnel of the brands named there, by users.
- the rest: counts over October and November 2019, by hour of the day and by session length.
"""

from importlib.resources import files
from typing import Final

import polars as pl

HOURLY_VIEWS_THOUSAND: Final = (
    *(729, 1350, 2632, 3740, 4693, 5235, 5468, 5556, 5702, 5624, 5552, 5422),
    *(5399, 5945, 6694, 7118, 7271, 6882, 5181, 3576, 2090, 1213, 723, 541),
)
"""Views by hour of the day (UTC)."""

HOURLY_PURCHASES_PER_CART: Final = (
    *(0.282, 0.231, 0.286, 0.366, 0.417, 0.434, 0.444, 0.444, 0.469, 0.497, 0.480, 0.458),
    *(0.459, 0.449, 0.435, 0.403, 0.385, 0.399, 0.294, 0.316, 0.304, 0.328, 0.361, 0.364),
)
"""Purchase events per cart event by hour of the day (UTC)."""

WEEKDAY_SESSIONS: Final = (1.014, 1.004, 0.988, 0.970, 1.044, 0.983, 0.993)
"""Sessions by weekday, Monday first, over the mean of the week around them."""

SESSION_EVENTS: Final = ((1, 1, 0.42), (2, 3, 0.25), (4, 5, 0.12), (6, 10, 0.12), (11, 20, 0.07))
"""Share of sessions with so many events (least, most, share); the rest have more."""

PAIRS_BOUGHT_LATER: Final = 0.10
"""Of the carted pairs not bought in their session, the share bought within a day."""

PAIRS_BOUGHT_AFTER_A_DAY: Final = 0.038
"""Of the same pairs, the share bought between one and seven days after the cart."""

VIEW_TO_CART_MEDIAN_SECONDS: Final = 57
CART_TO_PURCHASE_MEDIAN_SECONDS: Final = 88

DUPLICATE_SHARE: Final = 30_220 / 42_448_764
MOST_COPIES: Final = 78
HIGHEST_PRICE: Final = 2574.07
PRICE_ZERO_SHARE: Final = 68_673 / 42_448_764
MISSING_SESSION_SHARE: Final = 2 / 42_448_764

PRODUCTS: Final = 206_876
SESSIONS: Final = 23_000_000
"""Products seen in, and sessions of, October and November 2019."""


def categories() -> pl.DataFrame:
    """The most viewed categories, one per row, most viewed first."""
    return pl.read_csv(_text("categories.csv"))


def brands() -> pl.DataFrame:
    """Users who viewed, carted and bought, by brand."""
    return pl.read_csv(_text("brands.csv"))


def _text(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()
