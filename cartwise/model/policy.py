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
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cartwise.errors import BundleError, InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Economics:
    """What a nudge costs and earns, money in the currency of the log's prices."""

    margin_share: float = 0.25
    nudge_cost: float = 1.0
    bought_anyway_share: float = 0.8

    def __post_init__(self) -> None:
        if not 0.0 < self.margin_share <= 1.0:
            raise InputError(f"margin_share is {self.margin_share}: give a share in (0, 1]")
        if not 0.0 <= self.bought_anyway_share < 1.0:
            raise InputError(
                f"bought_anyway_share is {self.bought_anyway_share}: give a share in [0, 1)"
            )
        if not 0.0 <= self.nudge_cost < np.inf:
            raise InputError(f"nudge_cost is {self.nudge_cost}: give an amount of 0 or more")

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
    """The economics with a reference price, at which one threshold can stand for all."""

    economics: Economics
    reference_price: float

    @property
    def threshold(self) -> float:
        return self.economics.threshold(self.reference_price)

    def pays(self, probability: Array, price: Array) -> NDArray[np.bool_]:
        """Whether to nudge each cart, by its own price: (n,)."""
        return self.economics.expected_value(probability, price) > 0.0

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
