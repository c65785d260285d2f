"""Builds a shop of a given size from the published figures and a seed."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from cartwise.data.simulator import published
from cartwise.data.simulator.randomness import Floats, Ints, Trait, mixed, normal
from cartwise.data.simulator.shop import Shop, popularity_of

LEAST_CART_SHARE = 0.003
"""Carting share of categories whose carts the log of October hardly recorded."""

UNNAMED_BRANDS = 6
"""Brands of a category beside the published ones."""

_GOLDEN_RATIO = 0.6180339887498949
_SQUARE_ROOT = 0.4142135623730951
_SYLLABLES = ("ka", "vel", "no", "tri", "sun", "or", "mi", "lex", "da", "ro", "fen", "zu", "par")


@dataclass(frozen=True)
class _Brands:
    names: list[str]
    choices: list[tuple[Ints, Floats]]
    """By category: brands and the cumulative share of each."""


@dataclass(frozen=True)
class _Assortment:
    """Products as parallel arrays, those of a category together, the most viewed first."""

    count: Ints
    """Products by category."""
    category: Ints
    rank: Ints
    """From 0 within the category."""
    brand: Ints
    brand_names: list[str]
    views: Floats
    """Share of all views."""

    def brand_mean(self, values: Floats, weight: Floats) -> Floats:
        """Weighted mean by brand."""
        size = len(self.brand_names) + 1
        total = np.bincount(self.brand + 1, weight, size) + 1e-12
        mean: Floats = (np.bincount(self.brand + 1, weight * values, size) / total)[1:]
        return mean

    def level(self, values: Floats, weight: Floats) -> Floats:
        """The values less the weighted mean of their category."""
        total = np.bincount(self.category, weight)
        mean = np.bincount(self.category, weight * values) / total
        levelled: Floats = values - mean[self.category]
        return levelled


def build_shop(seed: int, products: int) -> Shop:
    """A shop of about that many products; the same seed and size give the same shop."""
    rng = np.random.default_rng([seed, 1])
    table = published.categories()
    goods = _assort(table, products, rng)
    relative_price = _relative_prices(seed, goods, rng)
    traffic, cart_share = _traffic(table), _cart_share(table)
    appeal = _appeal(goods, cart_share, rng)
    carts = goods.views * cart_share[goods.category] * np.exp(appeal)
    buy_logit = _log_odds(table["pair_conversion"].to_numpy()) - _log_odds(np.array(0.485))
    return Shop(
        seed=seed,
        category_ids=table["category_id"].to_numpy(),
        category_codes=table["category_code"],
        traffic=traffic.cumsum(),
        cart_logit=np.log(cart_share / (cart_share * traffic).sum()),
        buy_logit=buy_logit,
        first_product=goods.count.cumsum() - goods.count,
        product_count=goods.count,
        brand_names=pl.Series([*goods.brand_names, None]),
        product_ids=_outside_ids(seed, goods.category),
        category=goods.category,
        brand=goods.brand,
        relative_price=relative_price,
        base_price=_base_prices(table, goods.category, relative_price),
        appeal=appeal,
        quality=_quality(seed, goods, buy_logit, carts, rng),
    )


def _assort(table: pl.DataFrame, products: int, rng: np.random.Generator) -> _Assortment:
    brands = _share_out_brands(table)
    count = _products_by_category(table, products)
    category = np.repeat(np.arange(len(count)), count)
    rank = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    brand = _brand_of_products(table, brands, category, rank, rng)
    views = _traffic(table)[category] * _view_share(rank, count[category])
    return _Assortment(count, category, rank, brand, brands.names, views)


def _traffic(table: pl.DataFrame) -> Floats:
    events = table["events_thousand"].to_numpy()
    share: Floats = events / events.sum()
    return share


def _appeal(goods: _Assortment, cart_share: Floats, rng: np.random.Generator) -> Floats:
    """How readily a product is carted, against its category; best sellers more readily."""
    own = 0.5 * rng.standard_normal(len(goods.rank)) + 1.2 * _bestseller(goods)
    funnel = _brand_funnel(goods)
    carted = ((funnel["cart_users"] + 5) / (funnel["view_users"] + 500)).to_numpy()
    expected = goods.brand_mean(cart_share[goods.category], goods.views) + 1e-9
    target = 0.7 * np.log(carted / expected).clip(-1, 1)
    return goods.level(_with_brand_means(goods, own, target, goods.views), goods.views)


def _quality(
    seed: int, goods: _Assortment, buy_logit: Floats, carts: Floats, rng: np.random.Generator
) -> Floats:
    """How readily a product is bought once carted, against its category."""
    line = normal(seed, Trait.LINE, goods.category * len(goods.brand_names) + goods.brand)
    own = 0.45 * rng.standard_normal(len(line)) + 0.6 * line + 1.3 * _bestseller(goods)
    funnel = _brand_funnel(goods)
    bought = ((funnel["purchase_users"] + 28) / (funnel["cart_users"] + 50)).to_numpy()
    expected = goods.brand_mean(buy_logit[goods.category], carts)
    target = 1.2 * (_log_odds(bought) - _log_odds(np.array(0.56)) - expected)
    return goods.level(_with_brand_means(goods, own, target, carts), carts)


def _bestseller(goods: _Assortment) -> Floats:
    return 0.5 - popularity_of(goods.rank, goods.count[goods.category])


def _with_brand_means(goods: _Assortment, values: Floats, target: Floats, weight: Floats) -> Floats:
    """The values, moved for brands with a target (not NaN) so that it becomes their mean."""
    shift = np.nan_to_num(target - goods.brand_mean(values, weight))
    moved: Floats = values + np.append(shift, 0.0)[goods.brand]
    return moved


def _brand_funnel(goods: _Assortment) -> pl.DataFrame:
    """Published users by brand, null where a brand is not published."""
    return pl.DataFrame({"brand": goods.brand_names}).join(
        published.brands(), on="brand", how="left", maintain_order="left"
    )


def _products_by_category(table: pl.DataFrame, products: int) -> Ints:
    weight = table["events_thousand"].to_numpy() ** 0.7
    count: Ints = np.maximum(5, products * weight / weight.sum()).astype(np.int64)
    return count


def _share_out_brands(table: pl.DataFrame) -> _Brands:
    names: dict[str, int] = {}
    choices = []
    for row, listed in enumerate(table["brands"].fill_null("")):
        percent = _percentages(listed)
        rest = max(2.0, 100.0 - sum(percent.values()))
        percent |= {_invented_name(row, k): rest / UNNAMED_BRANDS for k in range(UNNAMED_BRANDS)}
        index = [names.setdefault(name, len(names)) for name in percent]
        share = np.fromiter(percent.values(), np.float64)
        choices.append((np.array(index), share.cumsum() / share.sum()))
    return _Brands(list(names), choices)


def _percentages(listed: str) -> dict[str, float]:
    pairs = (brand.rsplit(":", 1) for brand in listed.split())
    return {name: float(share) for name, share in pairs}


def _invented_name(*parts: int) -> str:
    word = int(mixed(*parts)[0])
    size = len(_SYLLABLES)
    return "".join(_SYLLABLES[word // size**place % size] for place in range(3 + word % 2))


def _brand_of_products(
    table: pl.DataFrame, brands: _Brands, category: Ints, rank: Ints, rng: np.random.Generator
) -> Ints:
    # Evenly spread rather than random: so a few popular products cannot upset a brand's share.
    draw = (rank * _GOLDEN_RATIO + rng.random(len(brands.choices))[category]) % 1.0
    nameless = (rank * _SQUARE_ROOT + rng.random(len(brands.choices))[category]) % 1.0
    brandless = nameless < 1.1 * table["brandless"].to_numpy()[category]
    brand = np.empty(len(rank), np.int64)
    for row, (index, share) in enumerate(brands.choices):
        here = category == row
        brand[here] = index[np.searchsorted(share, draw[here]).clip(0, len(index) - 1)]
    return np.where(brandless, -1, brand)


def _view_share(rank: Ints, count: Ints) -> Floats:
    """Share of its category's views that goes to a product of that rank."""
    return popularity_of(rank + 1, count) - popularity_of(rank, count)


def _relative_prices(seed: int, goods: _Assortment, rng: np.random.Generator) -> Floats:
    level = np.random.default_rng([seed, 2]).standard_normal(len(goods.brand_names) + 1)
    price = 0.5 * level[goods.brand] + rng.standard_normal(len(goods.rank))
    return goods.level(price, goods.views).clip(-2.5, 2.5)


def _base_prices(table: pl.DataFrame, category: Ints, relative_price: Floats) -> Floats:
    spread = table["price_log_sd"].to_numpy()[category] * relative_price
    price: Floats = table["price_median"].to_numpy()[category] * np.exp(spread)
    return price


def _cart_share(table: pl.DataFrame) -> Floats:
    share: Floats = table["cart_users"].to_numpy() / table["view_users"].to_numpy()
    return share.clip(LEAST_CART_SHARE)


def _log_odds(share: Floats) -> Floats:
    return np.log(share / (1.0 - share))


def _outside_ids(seed: int, category: Ints) -> Ints:
    """Ids as the shop shows them: a category's lie together, in no order of popularity."""
    shuffled = np.lexsort((mixed(seed, np.arange(len(category))), category))
    ids = np.empty(len(category), np.int64)
    ids[shuffled] = 1_000_000 + 23 * np.arange(len(category)) + 1_000 * category
    return ids
