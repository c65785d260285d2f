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


def build_shop(seed: int, products: int) -> Shop:
    """A shop of about that many products; the same seed and size give the same shop."""
    rng = np.random.default_rng([seed, 1])
    table = published.categories()
    brands = _share_out_brands(table)
    count = _products_by_category(table, products)
    category = np.repeat(np.arange(len(count)), count)
    rank = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    brand = _brand_of_products(table, brands, category, rank, rng)
    relative_price = _relative_prices(seed, category, brand, rng)
    traffic = table["events_thousand"].to_numpy() / table["events_thousand"].sum()
    weight = traffic[category] * _view_share(rank, count[category])
    bestseller = 0.5 - popularity_of(rank, count[category])
    pairing = (category * (len(brands.names) + 1) + brand + 1).astype(np.int64)
    cart_share = _cart_share(table)
    cart_offset, buy_offset = _brand_offsets(table, brands.names, category, brand, weight)
    return Shop(
        seed=seed,
        category_ids=table["category_id"].to_numpy(),
        category_codes=table["category_code"],
        traffic=traffic.cumsum(),
        cart_logit=np.log(cart_share / (cart_share * traffic).sum()),
        buy_logit=_log_odds(table["pair_conversion"].to_numpy()) - _log_odds(np.array(0.485)),
        first_product=count.cumsum() - count,
        product_count=count,
        brand_names=pl.Series([*brands.names, None]),
        product_ids=_outside_ids(seed, category),
        category=category,
        brand=brand,
        relative_price=relative_price,
        base_price=_base_prices(table, category, relative_price),
        appeal=(0.5 * rng.standard_normal(len(category)) + 1.2 * bestseller + cart_offset[brand]),
        quality=(
            0.55 * rng.standard_normal(len(category))
            + 0.5 * normal(seed, Trait.LINE, pairing)
            + bestseller
            + buy_offset[brand]
        ),
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


def _relative_prices(seed: int, category: Ints, brand: Ints, rng: np.random.Generator) -> Floats:
    level = np.random.default_rng([seed, 2]).standard_normal((brand.max() + 2,))
    return np.clip(0.5 * level[brand] + rng.standard_normal(len(category)), -2.5, 2.5)


def _base_prices(table: pl.DataFrame, category: Ints, relative_price: Floats) -> Floats:
    spread = table["price_log_sd"].to_numpy()[category] * relative_price
    price: Floats = table["price_median"].to_numpy()[category] * np.exp(spread)
    return price


def _cart_share(table: pl.DataFrame) -> Floats:
    share: Floats = table["cart_users"].to_numpy() / table["view_users"].to_numpy()
    return share.clip(LEAST_CART_SHARE)


def _brand_offsets(
    table: pl.DataFrame, names: list[str], category: Ints, brand: Ints, weight: Floats
) -> tuple[Floats, Floats]:
    """How much more a brand is carted and bought than its categories; the last entry is 0."""
    funnel = pl.DataFrame({"brand": names}).join(
        published.brands(), on="brand", how="left", maintain_order="left"
    )
    viewed = np.bincount(brand + 1, weight, len(names) + 1)[1:] + 1e-12
    expected = np.bincount(brand + 1, weight * _cart_share(table)[category], len(names) + 1)[1:]
    carted = ((funnel["cart_users"] + 5) / (funnel["view_users"] + 500)).fill_null(1.0).to_numpy()
    bought = ((funnel["purchase_users"] + 28) / (funnel["cart_users"] + 50)).fill_null(0.56)
    known = funnel["view_users"].is_not_null().to_numpy()
    more_carts = np.where(known, np.log(carted / (expected / viewed + 1e-9)), 0.0)
    more_sales = _log_odds(bought.to_numpy()) - _log_odds(np.array(0.56))
    return np.append(0.7 * more_carts.clip(-1, 1), 0.0), np.append(0.7 * more_sales, 0.0)


def _log_odds(share: Floats) -> Floats:
    return np.log(share / (1.0 - share))


def _outside_ids(seed: int, category: Ints) -> Ints:
    """Ids as the shop shows them: a category's lie together, in no order of popularity."""
    shuffled = np.lexsort((mixed(seed, np.arange(len(category))), category))
    ids = np.empty(len(category), np.int64)
    ids[shuffled] = 1_000_000 + 23 * np.arange(len(category)) + 1_000 * category
    return ids
