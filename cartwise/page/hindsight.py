"""Whether a score knows what came after its cart."""

from collections.abc import Mapping
from typing import Any


def seconds_after(features: Mapping[str, Any]) -> float:
    """So long after a cart the store knows the shop, and its score what happened; 0 if it does not.

    ``features`` are those of the API's answer.
    """
    age = features["age_seconds"]
    return 0.0 if age is None else max(0.0, -float(age))
