"""Who visits the strangers' shop and what it sells: latents that no log tells, drawn once."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

CATEGORIES: Final = 60
BRANDS: Final = 250
PRODUCTS: Final = 3_000
SESSIONS_PER_USER: Final = 20
FAVOURITES: Final = 3
"""Categories that a user comes back to."""
STYLES: Final = 8
"""Length of the vectors whose product says how well a user and a product match."""


@dataclass(frozen=True)
class Products:
    """Arrays of shape (products,), ordered by category; ``reach`` is searched for a product:
    category c's lie between c and c + 1, each as wide as it is popular there."""

    category: Codes
    brand: Codes
    log_price: Array
    quality: Array
    style: Array
    reach: Array

    @classmethod
    def draw(cls, random: np.random.Generator) -> "Products":
        category = np.sort(random.choice(CATEGORIES, PRODUCTS, p=_zipf(CATEGORIES, 0.7)))
        brand = (category * 7 + random.choice(BRANDS, PRODUCTS, p=_zipf(BRANDS, 1.0))) % BRANDS
        level = random.normal(4.0, 0.9, CATEGORIES)
        popularity: Array = 1.0 / (1.0 + random.permutation(PRODUCTS)) ** 0.9
        quality = random.normal(size=PRODUCTS)
        return cls(
            category,
            brand,
            level[category] + random.normal(0.0, 0.6, PRODUCTS),
            quality,
            random.normal(size=(PRODUCTS, STYLES)),
            _reach(category, popularity * np.exp(0.3 * quality)),
        )

    def pick(self, category: Codes, random: np.random.Generator) -> Codes:
        """A product of each of these categories, by popularity."""
        wanted = category + random.random(len(category))
        return np.minimum(np.searchsorted(self.reach, wanted), PRODUCTS - 1)


@dataclass(frozen=True)
class Users:
    """Arrays of shape (users,) or (users, …)."""

    activity: Array
    propensity: Array
    thrift: Array
    log_price: Array
    favourites: Codes
    style: Array

    @classmethod
    def draw(cls, count: int, random: np.random.Generator) -> "Users":
        activity = random.lognormal(0.0, 1.0, count)
        return cls(
            np.cumsum(activity) / activity.sum(),
            random.normal(size=count),
            random.normal(size=count),
            random.normal(0.0, 0.5, count),
            random.choice(CATEGORIES, (count, FAVOURITES), p=_zipf(CATEGORIES, 0.7)),
            random.normal(size=(count, STYLES)),
        )


@dataclass(frozen=True)
class World:
    """The shop: its products, its users, and what categories and brands convert like."""

    products: Products
    users: Users
    category_conversion: Array
    brand_conversion: Array
    mean_log_price: Array

    @classmethod
    def draw(cls, seed: int, sessions: int) -> "World":
        random = np.random.default_rng([seed, 0])
        products = Products.draw(random)
        carried = np.bincount(products.category, minlength=CATEGORIES)
        total = np.bincount(products.category, products.log_price, CATEGORIES)
        return cls(
            products,
            Users.draw(max(sessions // SESSIONS_PER_USER, 1), random),
            random.normal(size=CATEGORIES),
            random.normal(size=BRANDS),
            total / np.maximum(carried, 1),
        )

    def dearness(self, product: Codes) -> Array:
        """How dear products are among those of their category, in logarithms."""
        mean = self.mean_log_price[self.products.category[product]]
        return self.products.log_price[product] - mean

    def match(self, user: Codes, product: Codes) -> Array:
        """How well products suit users: of unit variance over pairs."""
        together = np.einsum("ij,ij->i", self.users.style[user], self.products.style[product])
        matches: Array = together / np.sqrt(STYLES)
        return matches


def _zipf(count: int, exponent: float) -> Array:
    weight: Array = 1.0 / (1.0 + np.arange(count)) ** exponent
    return weight / weight.sum()


def _reach(category: Codes, popularity: Array) -> Array:
    total = np.bincount(category, popularity, CATEGORIES)
    before = np.cumsum(total) - total
    reach: Array = category + (np.cumsum(popularity) - before[category]) / total[category]
    return reach
