"""What is said, and what is not, where a model was made from, or measured on, few carts."""

from collections.abc import Mapping
from typing import Any, Final

from cartwise.counting import counted

LEAST_CARTS: Final = 30
"""Of fewer carts nobody can tell how good a list, or a decision, is."""

_SMALL: Final = (
    "Few carts: {train} to train and {test} to test. Take every figure as a rough one: "
    "the intervals show how wide it is open."
)
_HARDLY_ANY: Final = (
    "Few carts, too few to say how good the model is: {train} to train and {test} to test. That it "
    "could be made is all that this shows: give a longer log."
)
_TAKES_MANY: Final = ("lift_", "capture_", "expected_value", "nudged_share")


def small_sample_warning(metrics: Mapping[str, Any]) -> str:
    """The warning of a small training set; empty where there are enough carts."""
    if not metrics["small_sample"]:
        return ""
    told = _HARDLY_ANY if too_few(metrics) else _SMALL
    return told.format(train=f"{metrics['carts_train']:,}", test=f"{metrics['carts_test']:,}")


def too_few(metrics: Mapping[str, Any]) -> bool:
    """Whether a model was evaluated on fewer test carts than tell anything."""
    small, carts = metrics.get("small_sample"), metrics.get("carts_test", LEAST_CARTS)
    return bool(small) and carts < LEAST_CARTS


def untold(carts: int, noun: str) -> str:
    """What is said in the place of figures that so few carts cannot tell."""
    return f"Of {counted(carts, noun)} this cannot be told: it takes {LEAST_CARTS} at least."


def can_be_told(metrics: Mapping[str, Any], name: str) -> bool:
    """Whether there are enough test carts for this metric: of few, some say anything at all."""
    return not (too_few(metrics) and name.startswith(_TAKES_MANY))
