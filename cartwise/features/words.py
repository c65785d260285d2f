"""Words for what features speak of, and numbers as people write them."""

import math
from typing import Final

from cartwise.counting import counted
from cartwise.features.spec import seconds_of

NOUNS: Final = {
    "view": "view",
    "cart": "cart",
    "remove_from_cart": "removal",
    "purchase": "purchase",
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
            return counted(round(whole / length), unit)
    return "0 seconds"


def count(value: float) -> str:
    """A count that may have faded: whole where it nearly is, or large."""
    if math.isnan(value):
        return "unknown"
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 or value >= 10 else f"{value:.1f}"


def faded(value: float, noun: str) -> str:
    """A count that may have faded, with what it counts: ``faded(2.5, "view") == "2.5 views"``."""
    told = count(value)
    return f"{told} {noun}{'' if told == '1' else 's'}"


def percent(value: float) -> str:
    """A share in percent."""
    return "unknown" if math.isnan(value) else f"{100 * value:.0f} %"


def many(event: str) -> str:
    """``many("remove_from_cart") == "removals"``."""
    return f"{NOUNS[event]}s"


def per(hit: str, trial: str) -> str:
    """``per("purchase", "cart") == "purchases per cart"``."""
    return f"{many(hit)} per {NOUNS[trial]}"


def fading(half_life: str) -> str:
    """``fading("7d") == "(7 days)"``: how a title tells that half of a count is gone by then."""
    return f"({duration(seconds_of(half_life))})"
