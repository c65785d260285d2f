"""The shop: its categories, brands and products, and what a product costs on a day."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from cartwise.data.simulator import published
from cartwise.data.simulator.randomness import Flags, Floats, Ints, Trait, mixed, normal, uniform

PRICE_STEP_DAYS = 9
PROMOTION_DAYS = 4
PROMOTED_SHARE = 0.1

HEAD = 5.0
"""A category's views fall with a product's rank as 1 / (rank + HEAD): Zipf and Mandelbrot."""


@dataclass(frozen=True)
class Shop:
    """Categories and products as parallel arrays; a product is an index into the latter.

    The products of a category lie together, the most viewed first.
    """

    seed: int
    category_ids: Ints
    category_codes: pl.Series
    traffic: Floats
    """Cumulative share of the views, by category."""
    cart_logit: Floats
    buy_logit: Floats
    first_product: Ints
    product_count: Ints
    brand_names: pl.Series
    """The last is null: so index -1 means no brand."""
    product_ids: Ints
    category: Ints
    brand: Ints
    relative_price: Floats
    """Log price against the category's mean, in the category's standard deviations."""
    base_price: Floats
    appeal: Floats
    quality: Floats

    def discount(self, products: Ints, day: Ints) -> Floats:
        """Share taken off the price on that day (days since the epoch), mostly 0."""
        window = (day + mixed(products).astype(np.int64) % PROMOTION_DAYS) // PROMOTION_DAYS
        promoted = uniform(self.seed, Trait.PROMOTION, products, window) < PROMOTED_SHARE
        return promoted * (0.1 + 0.2 * uniform(self.seed, Trait.DISCOUNT, products, window))

    def price(self, products: Ints, day: Ints) -> Floats:
        """Price on that day: it moves a little every few days and falls in promotions."""
        window = (day + mixed(products).astype(np.int64) % PRICE_STEP_DAYS) // PRICE_STEP_DAYS
        step = np.exp(0.05 * normal(self.seed, Trait.PRICE_STEP, products, window))
        price = self.base_price[products] * step * (1.0 - self.discount(products, day))
        return np.where(
            self.unpriced(products, day), 0.0, price.round(2).clip(0.01, published.HIGHEST_PRICE)
        )

    def unpriced(self, products: Ints, day: Ints) -> Flags:
        """Whether the log shows a price of 0 on that day: such a product cannot be bought."""
        return uniform(self.seed, Trait.UNPRICED, products, day // 3) < published.PRICE_ZERO_SHARE

    def competition(self, products: Ints, day: Ints) -> Floats:
        """How the product does this week for reasons outside the shop, standard normal."""
        return normal(self.seed, Trait.COMPETITION, products, day // 7)

    def product_at(self, category: Ints, popularity: Floats) -> Ints:
        """The product at these points (0 to 1) of the cumulative views of its category."""
        count = self.product_count[category]
        rank = (HEAD * np.expm1(popularity * np.log1p(count / HEAD))).astype(np.int64)
        return self.first_product[category] + np.minimum(rank, count - 1)

    def category_at(self, share: Floats) -> Ints:
        """The category at these points of the cumulative traffic."""
        return np.searchsorted(self.traffic, share, side="right").clip(0, len(self.traffic) - 1)


def popularity_of(rank: Ints, count: Ints) -> Floats:
    """Share of the views of a category of ``count`` products that goes to those before ``rank``."""
    share: Floats = np.log1p(rank / HEAD) / np.log1p(count / HEAD)
    return share
