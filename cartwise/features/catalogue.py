"""Cartwise's own features: the specification that training, stream and serving share."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from cartwise.events import EVENT_TYPES
from cartwise.features.spec import (
    Derived,
    Entity,
    LogRatio,
    Price,
    Rate,
    Specification,
    Sum,
    seconds_of,
)

ENTITIES = (
    Entity("shop", (), ("7d", "28d"), meaning="the shop as a whole"),
    Entity(
        "user",
        ("user_id",),
        ("1h", "7d", "28d"),
        (Price("view", "7d"), Price("cart", "28d"), Price("purchase", "28d")),
        "one visitor",
    ),
    Entity(
        "product",
        ("product_id",),
        ("1h", "7d", "28d"),
        (Price("view", "28d"), Price("purchase", "28d")),
        "one article of the catalogue",
    ),
    Entity(
        "category",
        ("category_id",),
        ("7d", "28d"),
        (Price("view", "28d"), Price("purchase", "28d")),
        "one category of the catalogue",
    ),
    Entity("brand", ("brand",), ("7d", "28d"), (Price("view", "28d"),), "one brand"),
    Entity(
        "line",
        ("category_id", "brand"),
        ("7d", "28d"),
        (Price("view", "28d"),),
        "a brand's products in a category",
    ),
    Entity("user_product", ("user_id", "product_id"), ("7d",), meaning="a user's product"),
    Entity(
        "user_category",
        ("user_id", "category_id"),
        ("7d",),
        (Price("view", "7d"),),
        "a user's category",
    ),
    Entity("user_brand", ("user_id", "brand"), ("7d",), meaning="a user's brand"),
    Entity(
        "session",
        ("user_session",),
        ("1h", "4h"),
        (Price("view", "4h"), Price("cart", "4h")),
        "one visit",
    ),
    Entity(
        "session_category",
        ("user_session", "category_id"),
        ("1h", "4h"),
        (Price("view", "4h"),),
        "a category in one visit",
    ),
    Entity(
        "session_product",
        ("user_session", "product_id"),
        ("1h", "4h"),
        meaning="a product in one visit",
    ),
)

MEAN_AGE_OF_A_SECOND = math.log(2.0) * (1 / seconds_of("1h") - 1 / seconds_of("4h"))
"""By how much a second makes a ``mean_age`` grow."""


def _rate(entity: str, hit: str, trial: str, half_life: str, prior: str | float, k: float) -> Rate:
    name = f"{entity}_{hit}_per_{trial}_{half_life}"
    return Rate(name, f"{entity}_{hit}_{half_life}", f"{entity}_{trial}_{half_life}", prior, k)


def _conversions() -> list[Derived]:
    """Shares of an entity's carts and views that went further, each smoothed towards the next
    wider entity."""
    # With any other prior, the last rate would count the carts of a log without removals.
    shares = (("purchase", "cart", 0.4), ("cart", "view", 0.05), ("remove_from_cart", "cart", 0.0))
    return [rate for hit, trial, base in shares for rate in _conversion(hit, trial, base)]


def _conversion(hit: str, trial: str, base: float) -> list[Derived]:
    def rate_of(entity: str, half_life: str) -> str:
        return f"{entity}_{hit}_per_{trial}_{half_life}"

    def rates(
        entity: str, half_lives: tuple[str, ...], wider: str, strength: float
    ) -> list[Derived]:
        return [_rate(entity, hit, trial, h, rate_of(wider, h), strength) for h in half_lives]

    months = ("7d", "28d")
    return [
        *(_rate("shop", hit, trial, h, base, 20) for h in months),
        *rates("category", months, "shop", 20),
        *rates("brand", months, "shop", 20),
        *(_kind(rate_of, h) for h in months),
        *rates("line", months, "kind", 10),
        *rates("product", months, "line", 10),
        *rates("user", months, "shop", 4),
        *rates("user_category", ("7d",), "user", 3),
        *rates("user_brand", ("7d",), "user", 3),
    ]


def _kind(rate_of: Callable[[str, str], str], half_life: str) -> Sum:
    """What is to be expected of a product by its category and its brand, each against the shop."""
    terms = (("category", 1.0), ("brand", 1.0), ("shop", -1.0))
    named = tuple((rate_of(entity, half_life), factor) for entity, factor in terms)
    return Sum(rate_of("kind", half_life), named)


def _for_two() -> Rate:
    """How often the user buys what is carted, expecting of a newcomer what others do with it."""
    prior = "product_purchase_per_cart_28d"
    return Rate("user_with_product", "user_purchase_28d", "user_cart_28d", prior, 4)


def _earlier() -> list[Derived]:
    """What a user did before this visit, whose own carts may still be bought, and in it so far."""
    wholes = {"user": "28d", "user_category": "7d", "user_product": "7d"}
    return [
        *(
            _less(f"{name}_{event}_before", f"{name}_{event}_{h}", f"{_in_visit(name)}_{event}_4h")
            for name, h in wholes.items()
            for event in ("view", "cart", "purchase")
        ),
        Rate("user_bought_before", "user_purchase_before", "user_cart_before", 0.4, 2),
        Rate("user_carted_before", "user_cart_before", "user_view_before", 0.05, 10),
        _rate("session", "purchase", "cart", "4h", "user_purchase_per_cart_28d", 1),
    ]


def _in_visit(entity: str) -> str:
    """``user_product`` becomes ``session_product``."""
    return entity.replace("user", "session")


def _less(name: str, value: str, part: str) -> Sum:
    return Sum(name, ((value, 1.0), (part, -1.0)))


def _shares() -> list[Derived]:
    """How much of a visit, or of a user's interest, goes to the cart's product and its kind."""
    of_whom = (
        ("session", ("session_category", "session_product"), "4h"),
        ("user", ("user_category", "user_brand"), "7d"),
    )
    return [
        Rate(f"{part}_{event}_share_{h}", f"{part}_{event}_{h}", f"{whole}_{event}_{h}", 0.5, 1)
        for whole, parts, h in of_whom
        for part in parts
        for event in ("view", "cart")
    ]


def _price_gaps() -> list[Derived]:
    """The price against what is usual, as differences of logarithms."""
    usual = (
        "user_view_log_price_7d",
        "user_cart_log_price_28d",
        "user_purchase_log_price_28d",
        "product_view_log_price_28d",
        "product_purchase_log_price_28d",
        "category_view_log_price_28d",
        "category_purchase_log_price_28d",
        "brand_view_log_price_28d",
        "line_view_log_price_28d",
        "user_category_view_log_price_7d",
        "session_view_log_price_4h",
        "session_cart_log_price_4h",
        "session_category_view_log_price_4h",
    )
    return [Sum(f"price_vs_{name}", (("log_price", 1.0), (name, -1.0))) for name in usual]


def _price_levels() -> list[Derived]:
    """Whether a user, a visit or a brand is of the dear or of the cheap kind in the category."""
    means = (
        "user_category_view_log_price_7d",
        "session_category_view_log_price_4h",
        "line_view_log_price_28d",
    )
    return [_less(f"level_of_{name}", name, "category_view_log_price_28d") for name in means]


def _mean_ages() -> list[Derived]:
    """How old a session's events are on average: older ones have lost more of the short half-life
    than of the long one."""
    return [
        LogRatio(f"{entity}_{event}_mean_age", f"{entity}_{event}_4h", f"{entity}_{event}_1h", 1e-6)
        for entity, event in (
            ("session", "view"),
            ("session", "cart"),
            ("session_category", "view"),
            ("session_product", "view"),
        )
    ]


def _paces() -> list[Derived]:
    """How long a visit looks at things: the time by which its views come before the latest one,
    as a whole and for each view. And whether the product, or its kind, was looked at early."""
    age, last = "session_view_mean_age", "session_view_seconds_ago"
    return [
        Sum("session_view_span", ((age, 1.0), (last, -MEAN_AGE_OF_A_SECOND))),
        Rate("session_view_pace", "session_view_span", "session_view_4h", 0.0, 1),
        _less("session_category_early", "session_category_view_mean_age", age),
        _less("session_product_early", "session_product_view_mean_age", age),
        _less("session_product_left", "session_product_view_seconds_ago", last),
    ]


def _depths() -> list[Derived]:
    """How much was seen of the session, of the user and of the product."""
    session = [(f"session_{event}_4h", 1.0) for event in EVENT_TYPES]
    user = [(f"user_{event}_28d", 1.0) for event in EVENT_TYPES]
    product = [(f"product_{event}_28d", 1.0) for event in EVENT_TYPES]
    return [
        Sum("session_depth", tuple(session)),
        Sum("user_events_before", (*user, *((name, -1.0) for name, _ in session))),
        Sum("product_events_before", (*product, ("session_product_view_4h", -1.0))),
    ]


FAMILIES: Mapping[str, tuple[Derived, ...]] = {
    "rates of conversion": (*_conversions(), _for_two()),
    "before the visit": tuple(_earlier()),
    "shares of interest": tuple(_shares()),
    "price gaps": tuple(_price_gaps()),
    "price levels": tuple(_price_levels()),
    "pace": (*_mean_ages(), *_paces()),
    "depths": tuple(_depths()),
}
"""What the vector derives from the readings, by what it is about."""

CLOCK = "shop"
"""The entity whose values all carts of a moment share. They would tell a model which day it is, and
it would learn what became of that day; see docs/adr/0023-what-tells-the-day-is-no-feature.md."""


def _specification() -> Specification:
    derived = tuple(one for family in FAMILIES.values() for one in family)
    whole = Specification(ENTITIES, derived)
    return replace(whole, unused=frozenset(n for n in whole.values if n.startswith(f"{CLOCK}_")))


SPECIFICATION = _specification()
