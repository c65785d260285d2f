"""A shop by another hand: a second simulator, which shares no code with Cartwise's own.

``python -m benchmarks.strangers_shop OUT --kind mixed`` writes 28 days of events in the nine
columns, one Parquet file a day, and ``truth.parquet`` with the probability by which every cart's
purchase was drawn. What decides a purchase differs by kind. The weights were chosen so that a plain
recipe (``benchmarks.plain_recipe``) gets about 0.70 of a ceiling of about 0.79; Cartwise's list of
features was not looked at.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.strangers_world import BRANDS, CATEGORIES, FAVOURITES, Array, Codes, World

DAYS: Final = 28
START: Final = 1_569_888_000
"""1 October 2019, seconds since the Unix epoch."""
_HOURS: Final = 1.0 + 0.8 * np.sin((np.arange(24) - 8) / 24 * 2 * np.pi)


@dataclass(frozen=True)
class Weights:
    """What each latent, of about unit variance, weighs in the logit of a purchase."""

    quality: float
    category: float
    brand: float
    propensity: float
    price: float
    favourite: float
    match: float
    intent: float
    mood: float
    hour: float


KINDS: Final = {
    "mixed": Weights(0.9, 0.4, 0.3, 0.45, 0.2, 0.3, 0.25, 0.8, 0.25, 0.15),
    "products": Weights(1.0, 0.4, 0.3, 0.4, 0.2, 0.2, 0.5, 0.4, 0.5, 0.15),
    "users": Weights(0.5, 0.3, 0.2, 1.05, 0.3, 0.4, 0.25, 0.5, 0.2, 0.15),
    "intents": Weights(0.8, 0.4, 0.3, 0.2, 0.1, 0.2, 0.1, 1.1, 0.1, 0.15),
}
_BASE: Final = -1.7
"""Logit of a purchase when all latents are at their mean."""


def _names(of: str, count: int, every: int) -> pl.Series:
    """A name for each code; every so-manieth has none, as in the public log."""
    return pl.Series([None if c % every == every - 1 else f"{of}{c}" for c in range(count)])


_AISLES: Final = _names("floor.aisle", CATEGORIES, 9)
_BRANDS: Final = _names("brand", BRANDS, 8)


@dataclass(frozen=True)
class Visits:
    """The sessions of a day: arrays of shape (sessions,)."""

    begin: Codes
    user: Codes
    intent: Array
    mood: Array
    focus: Codes
    name: pl.Series


@dataclass(frozen=True)
class Views:
    """What is looked at on a day: arrays of shape (views,), sessions one after the other."""

    session: Codes
    time: Codes
    product: Codes
    is_again: NDArray[np.bool_]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a shop."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.strangers_shop", description=__doc__
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="mixed")
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    write(options.out, KINDS[options.kind], options.sessions, options.seed)
    return 0


def write(out: Path, weights: Weights, sessions: int, seed: int) -> None:
    """Write the log's days and the truth into a folder."""
    out.mkdir(parents=True)
    world, truths = World.draw(seed, sessions), []
    for day in range(DAYS):
        random = np.random.default_rng([seed, 1, day])
        events, truth = _day(world, weights, day, sessions // DAYS, random)
        events.write_parquet(out / f"day-{day + 1:02}.parquet")
        truths.append(truth)
    pl.concat(truths).write_parquet(out / "truth.parquet")


def _day(
    world: World, weights: Weights, day: int, sessions: int, random: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    visits = _visits(world, day, sessions, random)
    views = _views(world, visits, random)
    carts = _carted(world, visits, views, random)
    session, product = views.session[carts], views.product[carts]
    probability = _probability(world, weights, visits, session, product)
    cart_time = views.time[carts] + 1 + random.exponential(20.0, len(carts)).astype(np.int64)
    bought = random.random(len(carts)) < probability
    purchase_time = (cart_time + _delays(len(carts), random))[bought]
    kinds = {
        "view": (views.time, views.session, views.product),
        "cart": (cart_time, session, product),
        "purchase": (purchase_time, session[bought], product[bought]),
    }
    events = pl.concat(_rows(world, visits, kind, *rows) for kind, rows in kinds.items())
    truth = _rows(world, visits, "cart", *kinds["cart"]).select(
        "user_session",
        "user_id",
        "product_id",
        cart_time="event_time",
        purchase_probability=pl.Series(probability),
    )
    return events.sort("event_time", maintain_order=True), truth


def _visits(world: World, day: int, sessions: int, random: np.random.Generator) -> Visits:
    hour = random.choice(24, sessions, p=_HOURS / _HOURS.sum())
    begin = START + day * 86_400 + hour * 3_600 + random.integers(0, 3_600, sessions)
    user = np.searchsorted(world.users.activity, random.random(sessions))
    user = np.minimum(user, len(world.users.propensity) - 1)
    favourites = world.users.favourites[user, random.integers(0, FAVOURITES, sessions)]
    elsewhere = random.integers(0, CATEGORIES, sessions)
    focus = np.where(random.random(sessions) < 0.7, favourites, elsewhere)
    intent, mood = random.normal(size=(2, sessions))
    return Visits(begin, user, intent, mood, focus, pl.Series(_uuids(sessions, random)))


def _uuids(count: int, random: np.random.Generator) -> list[str]:
    digits = [random.bytes(16).hex() for _ in range(count)]
    return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in digits]


def _views(world: World, visits: Visits, random: np.random.Generator) -> Views:
    length = np.exp(random.normal(1.4 + 0.5 * visits.intent, 0.9)).astype(np.int64) + 1
    length = np.minimum(length, 150)
    session = np.repeat(np.arange(len(length)), length)
    gaps = random.lognormal(3.6 + 0.3 * visits.intent[session], 0.9).astype(np.int64) + 1
    first = np.cumsum(length) - length
    gaps[first] = 0
    passed = np.cumsum(gaps)
    product = _seen(world, visits, session, random)
    is_again = random.random(len(session)) < _sigmoid(-1.5 + 1.0 * visits.intent[session])
    is_again[first] = False
    latest = np.maximum.accumulate(np.where(is_again, 0, np.arange(len(session))))
    time = visits.begin[session] + passed - passed[first][session]
    return Views(session, time, product[latest], is_again)


def _seen(world: World, visits: Visits, session: Codes, random: np.random.Generator) -> Codes:
    """Of two products that come up, the one nearer to the user's prices and style."""
    elsewhere = random.integers(0, CATEGORIES, len(session))
    is_focused = random.random(len(session)) < _sigmoid(1.0 + 0.5 * visits.intent[session])
    category = np.where(is_focused, visits.focus[session], elsewhere)
    user = visits.user[session]
    shown = [world.products.pick(category, random) for _ in range(2)]
    likings = [
        0.5 * world.match(user, product)
        - np.abs(world.dearness(product) - world.users.log_price[user])
        + random.gumbel(size=len(product))
        for product in shown
    ]
    return np.where(likings[0] > likings[1], *shown)


def _carted(world: World, visits: Visits, views: Views, random: np.random.Generator) -> Codes:
    """The views after which a product is put into the cart, once in a session."""
    logit = (
        -3.7
        + 0.6 * visits.intent[views.session]
        + 0.3 * world.products.quality[views.product]
        + 0.3 * world.match(visits.user[views.session], views.product)
        + 0.6 * views.is_again
    )
    chosen = np.flatnonzero(random.random(len(logit)) < _sigmoid(logit))
    pair = views.session[chosen] * len(world.products.category) + views.product[chosen]
    return chosen[np.sort(np.unique(pair, return_index=True)[1])]


def _probability(
    world: World, weights: Weights, visits: Visits, session: Codes, product: Codes
) -> Array:
    user, products, users = visits.user[session], world.products, world.users
    category, brand = products.category[product], products.brand[product]
    hour = visits.begin[session] // 3_600 % 24
    latents = (
        products.quality[product],
        world.category_conversion[category],
        world.brand_conversion[brand],
        users.propensity[user],
        -(1.0 + users.thrift[user]) * world.dearness(product) / 0.6,
        (users.favourites[user] == category[:, None]).any(axis=1) - 0.5,
        world.match(user, product),
        visits.intent[session],
        visits.mood[session],
        np.cos((hour - 12) / 24 * 2 * np.pi),
    )
    parts = (weight * latent for weight, latent in zip(astuple(weights), latents, strict=True))
    return _sigmoid(_BASE + sum(parts, np.zeros(len(product))))


def _delays(count: int, random: np.random.Generator) -> Codes:
    """Seconds from the cart to the purchase: minutes, now and then hours."""
    is_later = random.random(count) < 0.1
    delay = random.exponential(np.where(is_later, 7_200.0, 240.0)) + 5.0
    return np.minimum(delay, 80_000.0).astype(np.int64)


def _rows(
    world: World, visits: Visits, kind: str, time: Codes, session: Codes, product: Codes
) -> pl.DataFrame:
    category, brand = world.products.category[product], world.products.brand[product]
    return pl.DataFrame(
        {
            "event_time": pl.Series(time * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "event_type": pl.repeat(kind, len(time), eager=True),
            "product_id": 1_000_000 + product,
            "category_id": 2_053_013_550_000_000_000 + category,
            "category_code": _AISLES[category],
            "brand": _BRANDS[brand],
            "price": np.exp(world.products.log_price[product]).round(2),
            "user_id": 500_000_000 + visits.user[session],
            "user_session": visits.name[session],
        }
    )


def _sigmoid(logit: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-logit))


if __name__ == "__main__":
    sys.exit(main())
