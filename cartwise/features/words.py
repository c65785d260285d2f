"""Words for what features speak of, and numbers as people write them."""

import math
from typing import Final

from cartwise.features.spec import seconds_of

NOUNS: Final = {
    "view": "views",
    "cart": "carts",
    "remove_from_cart": "removals",
    "purchase": "purchases",
}
DONE: Final = {
    "view": "viewed",
    "cart": "carted",
    "remove_from_cart": "removed from carts",
    "purchase": "bought",
}
_UNITS: Final = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def duration(seconds: float) -> str:
    """A duration in its largest unit: ``duration(90.0) == "2 minutes"``."""
    whole = round(seconds)
    for unit, length in _UNITS:
        if whole >= length:
            units = round(whole / length)
            return f"{units} {unit}" + "s" * (units != 1)
    return "0 seconds"


def count(value: float) -> str:
    """A count that may have faded: whole where it nearly is, or large."""
    if math.isnan(value):
        return "unknown"
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 or value >= 10 else f"{value:.1f}"


def counted(value: float, nouns: str) -> str:
    """``counted(1.0, "views") == "1 view"``; a count that may have faded, as in :func:`count`."""
    told = count(value)
    return f"{told} {nouns[:-1] if told == '1' else nouns}"


def percent(value: float) -> str:
    """A share in percent."""
    return "unknown" if math.isnan(value) else f"{100 * value:.0f} %"


def one_of(event: str) -> str:
    """``one_of("view") == "view"``: an event in the singular."""
    return NOUNS[event][:-1]


def per(hit: str, trial: str) -> str:
    """``per("purchase", "cart") == "purchases per cart"``."""
    return f"{NOUNS[hit]} per {one_of(trial)}"


def fading(half_life: str) -> str:
    """``fading("7d") == "(7 days)"``: how a title tells that half of a count is gone by then."""
    return f"({duration(seconds_of(half_life))})"
