"""Cartwise's own features: the specification that training, stream and serving share."""

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
    Entity("session_product", ("user_session", "product_id"), ("1h", "4h"), meaning="in a visit"),
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
    def prior(entity: str, half_life: str) -> str:
        return f"{entity}_{hit}_per_{trial}_{half_life}"

    shop = [_rate("shop", hit, trial, h, base, 20) for h in ("1d", "7d", "28d")]
    wide = [
        _rate(entity, hit, trial, h, prior("shop", h), 20)
        for entity in ("category", "brand")
        for h in ("7d", "28d")
    ]
    product = [_rate("product", hit, trial, h, prior("category", h), 10) for h in ("7d", "28d")]
    user = [_rate("user", hit, trial, h, prior("shop", h), 4) for h in ("1d", "7d", "28d")]
    pairs = [
        _rate(entity, hit, trial, "7d", prior("user", "7d"), 3)
        for entity in ("user_category", "user_brand")
    ]
    return [*shop, *wide, *product, *user, *pairs]


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
        LogRatio(f"{entity}_{event}_mean_age", f"{entity}_{event}_4h", f"{entity}_{event}_1h")
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
    (*_conversions(), *_price_gaps(), *_trends(), *_mean_ages(), *_depths()),
)
