"""What derived features say of a cart whose formula alone does not tell it.

By name, for the catalogue; :mod:`cartwise.features.phrases` makes all others from the
specification.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from cartwise.features.catalogue import MEAN_AGE_OF_A_SECOND
from cartwise.features.words import DONE, NOUNS, duration, faded, fading, per, percent

Say = Callable[[float], str]
"""From a value, which is missing if NaN, to words."""


class Remark(NamedTuple):
    """What a feature is called, and what it says of a cart."""

    title: str
    say: Say


_WHOSE: Final = {
    "user": "by this user",
    "user_category": "in this category by this user",
    "user_product": "of this product by this user",
}
_VISITED: Final = {
    "session_view": "views in this visit",
    "session_cart": "carts in this visit",
    "session_category_view": "views in this category in this visit",
    "session_product_view": "views of this product in this visit",
}
_PRICED: Final = {
    "user_category_view_log_price_7d": "what this user views in this category",
    "session_category_view_log_price_4h": "what this visit views in this category",
    "line_view_log_price_28d": "what this brand has in this category",
}


_NO_TIME: Final = "no time passed between views in this visit so far"


def _counted(noun: str, which: str) -> Remark:
    return Remark(f"{noun}s {which}", lambda value: f"{faded(value, noun)} {which}")


def _shared(title: str, after: str, before: str = "") -> Remark:
    return Remark(title, lambda value: f"{before}{percent(value)} {after}")


def _unless_missing(title: str, missing: str, say: Say) -> Remark:
    return Remark(title, lambda value: missing if math.isnan(value) else say(value))


def _priced(what: str) -> Remark:
    def say(value: float) -> str:
        side = "more" if value >= 0 else "less"
        return f"{what} costs {percent(abs(math.expm1(value)))} {side} than is usual there"

    return _unless_missing(f"price level of {what}", f"the usual price of {what} is unknown", say)


def _aged(what: str) -> Remark:
    return _unless_missing(
        f"average age of {what}",
        f"no {what} yet",
        lambda value: f"{what} were {_ago(value)} on average",
    )


def _ago(value: float) -> str:
    return "just now" if _at_once(value) else f"{_seconds(value)} ago"


def _earlier(what: str) -> Remark:
    def say(value: float) -> str:
        if _at_once(abs(value)):
            return f"{what} was viewed when the visit viewed most"
        side = "before" if value >= 0 else "after"
        return f"{what} was viewed {_seconds(abs(value))} {side} the visit's views, on average"

    return _unless_missing(
        f"how early {what} was viewed in this visit",
        f"{what} was not viewed in this visit yet",
        say,
    )


def _span(value: float) -> str:
    if _at_once(value):
        return _NO_TIME
    return f"the visit's views came {_seconds(value)} before its latest one, on average"


def _pace(value: float) -> str:
    return _NO_TIME if _at_once(value) else f"about {_seconds(value)} for each view in this visit"


def _left(value: float) -> str:
    if round(value) < 1:
        return "this product is what the visit viewed last"
    return f"this product was last viewed {duration(value)} before the visit's latest view"


def _at_once(mean_age: float) -> bool:
    """Whether no time can be told: there was one view at most, or several within a moment."""
    return math.isnan(mean_age) or round(mean_age / MEAN_AGE_OF_A_SECOND) < 1


def _seconds(mean_age: float) -> str:
    return duration(mean_age / MEAN_AGE_OF_A_SECOND)


def _by_kind() -> dict[str, Remark]:
    return {
        f"kind_{hit}_per_{trial}_{half_life}": _shared(
            f"{per(hit, trial)} of such a category and brand {fading(half_life)}",
            f"of what is {DONE[trial]} of such a category and brand is {DONE[hit]}",
        )
        for hit, trial in (("purchase", "cart"), ("cart", "view"), ("remove_from_cart", "cart"))
        for half_life in ("7d", "28d")
    }


REMARKS: Final[Mapping[str, Remark]] = {
    **{
        f"{entity}_{event}_before": _counted(NOUNS[event], f"{whose} before this visit")
        for entity, whose in _WHOSE.items()
        for event in ("view", "cart", "purchase")
    },
    **{f"{name}_mean_age": _aged(what) for name, what in _VISITED.items()},
    **{f"level_of_{name}": _priced(what) for name, what in _PRICED.items()},
    **_by_kind(),
    "user_with_product": _shared(
        "share to be expected of this user with this product",
        "to be expected of this user with this product",
    ),
    "user_bought_before": _shared(
        "share bought of what this user carted before this visit",
        "of what they carted",
        "before this visit, this user bought ",
    ),
    "user_carted_before": _shared(
        "share carted of what this user viewed before this visit",
        "of what they viewed",
        "before this visit, this user carted ",
    ),
    "session_view_span": _unless_missing(
        "time over which this visit's views are spread", "no views in this visit yet", _span
    ),
    "session_view_pace": Remark("time for each view in this visit", _pace),
    "session_category_early": _earlier("this category"),
    "session_product_early": _earlier("this product"),
    "session_product_left": _unless_missing(
        "time from this product's last view to the visit's latest",
        "this product was not viewed in this visit yet",
        _left,
    ),
    "session_depth": _counted("event", "in this visit"),
    "user_events_before": _counted("event", "by this user before this visit"),
    "product_events_before": _counted("event", "of this product outside this visit"),
}
