"""The decision: which carts to nudge, from money.

A nudge (a reminder, a small gift) costs ``nudge_cost`` for every cart that gets one. A cart with
probability ``p`` and price ``v`` that is bought earns ``margin_share * v``; but a share
``bought_anyway_share`` of the nudged carts that are bought would have been bought without the
nudge, and earns nothing extra. The expected value of nudging a cart is therefore

    expected_value(p, v) = p * (1 - bought_anyway_share) * margin_share * v - nudge_cost

and it pays where this is above zero: ``p > threshold(v)``, with

    threshold(v) = nudge_cost / ((1 - bought_anyway_share) * margin_share * v)

``bought_anyway_share`` is the shop's to measure: leave a random part of the carts without nudge.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import BundleError, InputError, UsageError

Array = NDArray[np.float64]

VALUE_CARTS: Final = 1000
"""Expected values are money per this many carts."""

WITHOUT_PRICES: Final = "Without prices nothing can be said of what a nudge is worth."


@dataclass(frozen=True)
class Economics:
    """What a nudge costs and earns, money in the currency of the log's prices."""

    margin_share: float = 0.25
    nudge_cost: float = 1.0
    bought_anyway_share: float = 0.8

    def __post_init__(self) -> None:
        if not 0.0 < self.margin_share <= 1.0:
            raise UsageError(
                f"a margin of {self.margin_share} is no share of the price: give one above 0 and "
                "up to 1, such as 0.25"
            )
        if not 0.0 <= self.bought_anyway_share < 1.0:
            raise UsageError(
                f"{self.bought_anyway_share} cannot be bought anyway: give a share from 0 to "
                "below 1, such as 0.8"
            )
        if not 0.0 <= self.nudge_cost < np.inf:
            raise UsageError(f"a nudge cannot cost {self.nudge_cost}: give 0 or more")

    def extra_margin(self, price: Array) -> Array:
        """What a nudged cart earns, on average, if it is bought: (n,) for prices (n,)."""
        return (1.0 - self.bought_anyway_share) * self.margin_share * price

    def expected_value(self, probability: Array, price: Array) -> Array:
        """Money that a nudge is expected to earn, cost deducted: (n,)."""
        return probability * self.extra_margin(price) - self.nudge_cost

    def value_of(self, probability: float, price: float) -> float:
        """:meth:`expected_value` of one cart, to the same bits."""
        extra = (1.0 - self.bought_anyway_share) * self.margin_share * price
        return probability * extra - self.nudge_cost

    def threshold(self, price: float) -> float:
        """The probability above which a nudge pays at this price; 1 where it never does."""
        extra = float(self.extra_margin(np.array([price]))[0])
        return 1.0 if extra <= 0.0 else min(1.0, self.nudge_cost / extra)


@dataclass(frozen=True)
class Policy:
    """The economics with a reference price, at which one threshold can stand for all.

    It also stands for the price of a cart whose own is 0, unknown. Where it is itself 0, no price
    was known to training, and ``priced`` is false.
    """

    economics: Economics
    reference_price: float

    @property
    def priced(self) -> bool:
        return self.reference_price > 0.0

    @property
    def threshold(self) -> float:
        return self.economics.threshold(self.reference_price)

    def prices(self, own: Array) -> Array:
        """The prices to reckon with: each cart's own where it is known, (n,)."""
        return np.where(own > 0.0, own, self.reference_price)

    def expected_value(self, probability: Array, price: Array) -> Array:
        """:meth:`Economics.expected_value` of carts, some of whose prices are unknown: (n,)."""
        return self.economics.expected_value(probability, self.prices(price))

    def pays(self, probability: Array, price: Array) -> NDArray[np.bool_]:
        """Whether to nudge each cart, by its own price: (n,)."""
        return self.expected_value(probability, price) > 0.0

    def to_json(self) -> dict[str, float]:
        return {
            **asdict(self.economics),
            "reference_price": self.reference_price,
            "threshold": self.threshold,
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote; raises BundleError where it is something else."""
        try:
            economics = Economics(
                float(facts["margin_share"]),
                float(facts["nudge_cost"]),
                float(facts["bought_anyway_share"]),
            )
            return cls(economics, float(facts["reference_price"]))
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise BundleError(f"policy.json does not hold a policy: {error}") from error


@dataclass(frozen=True)
class WhatIf:
    """What nudging carts is expected to earn if the economics were such.

    Attributes:
        economics: what a nudge costs and earns.
        shares: of the carts that are nudged, those with the highest expected value first: (k,).
        value: money expected per 1,000 carts at each of the shares: (k,).
        best_share: of the carts whose nudge pays.
        best_value: money per 1,000 carts if just these are nudged.
        bought_share: of the nudged carts, how many are expected to be bought; 0 where none is.
    """

    economics: Economics
    shares: Array
    value: Array
    best_share: float
    best_value: float
    bought_share: float

    @property
    def everyone_value(self) -> float:
        """Money per 1,000 carts if everybody is nudged."""
        return float(self.value[-1])

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self.economics),
            "shares": self.shares.tolist(),
            "value": self.value.tolist(),
            "best_share": self.best_share,
            "best_value": self.best_value,
            "bought_share": self.bought_share,
            "everyone_value": self.everyone_value,
        }


def what_if(probability: Array, price: Array, economics: Economics, *, points: int = 101) -> WhatIf:
    """What carts of these calibrated probabilities and prices, each (n,), are expected to earn.

    Raises InputError where there is no cart.
    """
    if not len(probability):
        raise InputError("there is no cart to ask about: give at least one")
    expected = economics.expected_value(probability, price)
    earned = np.append(0.0, np.cumsum(np.sort(expected)[::-1]))
    shares = np.linspace(0.0, 1.0, points)
    pays = expected > 0.0
    return WhatIf(
        economics,
        shares,
        np.interp(shares * len(expected), np.arange(len(earned)), earned) * _per_cart(expected),
        best_share=float(pays.mean()),
        best_value=float(expected[pays].sum() * _per_cart(expected)),
        bought_share=float(probability[pays].mean()) if pays.any() else 0.0,
    )


def _per_cart(carts: Array) -> float:
    return VALUE_CARTS / len(carts)
