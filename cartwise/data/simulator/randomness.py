"""Random numbers that are a pure function of a seed and of what they describe.

A user's taste, say, is drawn from ``(seed, TASTE, user, category)`` whenever it is needed, so no
table grows with the number of users. The mixing is SplitMix64 (Steele, Lea, Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014).
"""

from enum import IntEnum, auto
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Words: TypeAlias = NDArray[np.uint64]
Key: TypeAlias = int | NDArray[np.integer]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_LOW_HALF = np.uint64(0xFFFFFFFF)


class Trait(IntEnum):
    """What a number describes; two traits of the same thing are independent."""

    PROPENSITY = auto()
    CURIOSITY = auto()
    BUDGET = auto()
    CATEGORY_TASTE = auto()
    BRAND_TASTE = auto()
    NEED = auto()
    FAVOURITE = auto()
    SHORTLIST = auto()
    URGENCY = auto()
    LINE = auto()
    PRICE_STEP = auto()
    PROMOTION = auto()
    DISCOUNT = auto()
    COMPETITION = auto()
    UNPRICED = auto()
    SESSION_ID = auto()
    DAY = auto()


def mixed(*keys: Key) -> Words:
    """64 well mixed bits for each combination of keys (arrays broadcast)."""
    state: Words = np.zeros(1, np.uint64)
    for key in keys:
        word = np.asarray(key, np.int64).view(np.uint64) if not isinstance(key, np.ndarray) else key
        state = _splitmix(state ^ word.astype(np.uint64, copy=False))
    return state


def uniform(*keys: Key) -> Floats:
    """A number in (0, 1) for each combination of keys."""
    return ((mixed(*keys) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(*keys: Key) -> Floats:
    """A standard normal number for each combination of keys (Box and Muller)."""
    bits = mixed(*keys)
    radius = np.sqrt(-2.0 * np.log(((bits >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32))
    angle: Floats = (bits & _LOW_HALF).astype(np.float64) * (2.0 * np.pi * 2.0**-32)
    return radius * np.cos(angle)


def logistic(logit: Floats) -> Floats:
    """The probability of a logit."""
    return 1.0 / (1.0 + np.exp(-logit))


def _splitmix(words: Words) -> Words:
    words = words + _GOLDEN
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))
