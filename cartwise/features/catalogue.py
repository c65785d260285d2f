"""Cartwise's own features: the specification that training, stream and serving share."""

from collections.abc import Callable

from cartwise.events import EVENT_TYPES
from cartwise.features.spec import Derived, Entity, LogRatio, Price, Rate, Specification, Sum

ENTITIES = (
    Entity("shop", (), ("1h", "1d", "7d", "28d"), meaning="the shop as a whole"),
    Entity(
        "user",
        ("user_id",),
        ("1h", "1d", "7d", "28d"),
        (Price("view", "7d"), Price("cart", "28d"), Price("purchase", "28d")),
        "one visitor",
    ),
    Entity(
        "product",
        ("product_id",),
        ("1h", "1d", "7d", "28d"),
        (Price("view", "1d"), Price("view", "28d"), Price("purchase", "28d")),
        "one article of the catalogue",
    ),
    Entity(
        "category",
        ("category_id",),
        ("1d", "7d", "28d"),
        (Price("view", "28d"), Price("purchase", "28d")),
        "one category of the catalogue",
    ),
    Entity("brand", ("brand",), ("1d", "7d", "28d"), (Price("view", "28d"),), "one brand"),
    Entity("user_product", ("user_id", "product_id"), ("1d", "7d"), meaning="a user's product"),
    Entity(
        "user_category",
        ("user_id", "category_id"),
        ("1d", "7d"),
        (Price("view", "7d"),),
        "a user's category",
    ),
    Entity("user_brand", ("user_id", "brand"), ("1d", "7d"), meaning="a user's brand"),
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
        ("4h",),
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


def _rate(entity: str, hit: str, trial: str, half_life: str, prior: str | float, k: float) -> Rate:
    name = f"{entity}_{hit}_per_{trial}_{half_life}"
    return Rate(name, f"{entity}_{hit}_{half_life}", f"{entity}_{trial}_{half_life}", prior, k)


def _conversions() -> list[Derived]:
    """Shares of an entity's carts and views that went further, each smoothed towards the next
    wider entity."""
    shares = (("purchase", "cart", 0.4), ("cart", "view", 0.05), ("remove_from_cart", "cart", 0.1))
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
        *(_rate("shop", hit, trial, h, base, 20) for h in ("1d", *months)),
        *rates("category", months, "shop", 20),
        *rates("brand", months, "shop", 20),
        *(_kind(rate_of, h) for h in months),
        *rates("product", months, "kind", 10),
        *rates("user", ("1d", *months), "shop", 4),
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


def _shares() -> list[Derived]:
    """How much of a visit, or of a user's interest, goes to the cart's product and its kind."""
    of_whom = {
        "session": ("session_category", "session_product", "4h"),
        "user": ("user_category", "user_brand", "7d"),
    }
    return [
        Rate(f"{part}_{event}_share", f"{part}_{event}_{h}", f"{whole}_{event}_{h}", 0.5, 1)
        for whole, (*parts, h) in of_whom.items()
        for part in parts
        for event in ("view", "cart")
    ]


def _price_gaps() -> list[Derived]:
    """The price against what is usual, as differences of logarithms."""
    usual = (
        "user_view_log_price_7d",
        "user_cart_log_price_28d",
        "user_purchase_log_price_28d",
        "product_view_log_price_1d",
        "product_view_log_price_28d",
        "product_purchase_log_price_28d",
        "category_view_log_price_28d",
        "category_purchase_log_price_28d",
        "brand_view_log_price_28d",
        "user_category_view_log_price_7d",
        "session_view_log_price_4h",
        "session_cart_log_price_4h",
        "session_category_view_log_price_4h",
    )
    return [Sum(f"price_vs_{name}", (("log_price", 1.0), (name, -1.0))) for name in usual]


def _trends() -> list[Derived]:
    """Activity of late against activity at large."""
    return [
        LogRatio(f"{entity}_{event}_trend", f"{entity}_{event}_1d", f"{entity}_{event}_28d", 0.1)
        for entity in ("product", "category")
        for event in ("view", "cart", "purchase")
    ]


def _mean_ages() -> list[Derived]:
    """How old a session's events are on average: older ones have lost more of the short half-life
    than of the long one."""
    return [
        LogRatio(f"{entity}_{event}_mean_age", f"{entity}_{event}_4h", f"{entity}_{event}_1h", 1e-6)
        for entity, event in (
            ("session", "view"),
            ("session", "cart"),
            ("session_product", "view"),
        )
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


SPECIFICATION = Specification(
    ENTITIES,
    (
        *_conversions(),
        _for_two(),
        *_shares(),
        *_price_gaps(),
        *_trends(),
        *_mean_ages(),
        *_depths(),
    ),
)
