"""The gate: what a challenger must show before it may become the champion.

A promotion claims two things. *It is better*: the log loss on the same test carts is lower than
the champion's by more than chance would give. *It does no harm*: neither the ranking nor any large
slice is worse, the probabilities hold, and what was measured is what will serve. A refused
challenger need not be bad; it has not shown enough.

Whoever tries many challengers on the same carts will meet a lucky one. So the level of the first
claim shrinks with every try: the k-th gets ``level * 6 / (pi * k)**2``, and all tries together
promote a challenger that is no better with at most ``level``.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwise.events import SECONDS_PER_DAY
from cartwise.model.comparison import NORMAL, Comparison, SliceDifference
from cartwise.model.measures import Bins

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GateLimits:
    """What is asked of a challenger.

    Attributes:
        level: how often all tries on one test part may promote a challenger that is no better.
        fewest_users: of how many users carts must be for chance to be told at all.
        auc_loss: how far AUC may fall, even where chance explains it.
        slice_loss: share by which log loss may rise in a large slice, even if chance explains it.
        large_carts: carts that make a slice large,
        large_share: if they are this share of the test carts, too.
        excess_ece: calibration error beyond what chance explains, as a share of the base rate.
        difference: largest difference between the probabilities of ONNX Runtime and XGBoost.
        latency_microseconds: median time to score one cart.
        age_days: how long before the end of the log the newest cart may be that it learned from.
    """

    level: float = 0.05
    fewest_users: int = 200
    auc_loss: float = 0.005
    slice_loss: float = 0.02
    large_carts: int = 1000
    large_share: float = 0.05
    excess_ece: float = 0.10
    difference: float = 1e-5
    latency_microseconds: float = 1000.0
    age_days: float = 60.0

    def large(self, carts: int) -> float:
        """How many of so many test carts make a slice large."""
        return max(self.large_carts, self.large_share * carts)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: its figure, its limit, and a sentence about both."""

    name: str
    passed: bool
    figure: float | None
    limit: float | None
    told: str


@dataclass(frozen=True)
class Decision:
    """What the gate found, check by check."""

    checks: Sequence[Check]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """What speaks against the challenger, a sentence each."""
        return [check.told for check in self.checks if not check.passed]

    def to_json(self) -> dict[str, Any]:
        return {"passed": self.passed, "checks": [asdict(check) for check in self.checks]}


def level_of_try(level: float, number: int) -> float:
    """The level of the ``number``-th try on the same test carts; over all tries they add up."""
    return level * 6.0 / (math.pi * number) ** 2


def check_better(comparison: Comparison, tries: int, limits: GateLimits) -> Check:
    """Whether log loss is lower by more than chance gives; ``tries`` counts this one."""
    level, found = level_of_try(limits.level, tries), comparison.log_loss
    passed = found.chance <= level and comparison.users >= limits.fewest_users
    verdict = "is lower" if passed else "is not shown to be lower"
    return Check(
        "better",
        passed,
        found.chance,
        level,
        f"log loss {verdict} than the champion's: {found.value:+.5f} on {comparison.carts:,} carts "
        f"of {comparison.users:,} users (standard error {found.error:.5f}, the luck of seeds in "
        f"it); a challenger that is no better seems as good in {found.chance:.2%} of cases, and "
        f"try {tries} on these carts allows {level:.2%}",
    )


def check_ranking(comparison: Comparison, limits: GateLimits) -> Check:
    """Whether AUC has not fallen: neither beyond chance nor by more than is tolerated."""
    found = comparison.auc
    shown = found.deviations < NORMAL.inv_cdf(limits.level)
    passed = not shown and found.value >= -limits.auc_loss
    return Check(
        "ranking",
        passed,
        found.value,
        -limits.auc_loss,
        f"AUC {'holds' if passed else 'falls'}: {found.value:+.4f} (standard error "
        f"{found.error:.4f}{', more than chance' if shown else ''})",
    )


def check_slices(comparison: Comparison, limits: GateLimits) -> list[Check]:
    """Whether log loss has not risen in any large slice: neither beyond chance nor by too much."""
    enough = limits.large(comparison.carts)
    large = (one for one in comparison.slices if one.carts >= enough)
    return [_check_slice(one, comparison.critical, limits) for one in large]


def _check_slice(one: SliceDifference, critical: float, limits: GateLimits) -> Check:
    shown = one.log_loss.deviations > critical
    passed = not shown and one.relative <= limits.slice_loss
    return Check(
        f"slice {one.name}",
        passed,
        one.relative,
        limits.slice_loss,
        f"log loss {'holds' if passed else 'rises'} in {one.name}: {one.relative:+.2%} on "
        f"{one.carts:,} carts ({one.log_loss.deviations:+.1f} standard errors, beyond chance above "
        f"{critical:.1f})",
    )


def check_calibration(
    probability: Array, bought: Array, limits: GateLimits, *, bins: int = 10
) -> Check:
    """Whether probabilities (n,) can be taken at their word, beyond what chance explains."""
    binned = Bins.equal_mass(probability, bought, bins)
    error = binned.calibration_error(np.ones_like(probability))
    by_chance, rate = binned.error_by_chance(), float(bought.mean())
    limit = by_chance + limits.excess_ece * rate
    return Check(
        "calibration",
        error <= limit,
        error,
        limit,
        f"expected calibration error {error:.4f}, of which {by_chance:.4f} by chance, "
        f"{'at most' if error <= limit else 'above'} {limit:.4f} (base rate {rate:.3f}, mean "
        f"probability {probability.mean():.3f})",
    )


def check_equality(difference: float, limits: GateLimits) -> Check:
    """Whether ONNX Runtime and XGBoost say the same: the largest ``difference`` of probability."""
    passed = difference <= limits.difference
    return Check(
        "equality",
        passed,
        difference,
        limits.difference,
        f"ONNX Runtime and XGBoost {'agree' if passed else 'differ'}: probabilities within "
        f"{difference:.1e}",
    )


def check_latency(microseconds: float, limits: GateLimits) -> Check:
    """Whether one cart is scored in time, by the median."""
    passed = microseconds <= limits.latency_microseconds
    return Check(
        "latency",
        passed,
        microseconds,
        limits.latency_microseconds,
        f"one cart takes {microseconds:.0f} µs, {'at most' if passed else 'above'} "
        f"{limits.latency_microseconds:.0f} µs",
    )


def check_canary(compared: int, leak: str | None) -> Check:
    """Whether ``compared`` vectors stay the same with their future deleted; ``leak`` says not."""
    return Check(
        "canary",
        leak is None and compared > 0,
        float(compared),
        None,
        leak or f"{compared:,} vectors stay the same with their future deleted",
    )


def check_parity(name: str, compared: int, unequal: int) -> Check:
    """Whether vectors computed anew are those that were trained and measured on.

    A replay's are to equal them to the bit, a stream's and a request's but for the last digits.
    """
    return Check(
        f"parity {name}",
        unequal == 0 and compared > 0,
        float(unequal),
        0.0,
        f"{unequal:,} of {compared:,} vectors differ from those that {name} computes anew",
    )


def check_freshness(
    learned_until: datetime, champion_until: datetime | None, log_end: datetime, limits: GateLimits
) -> Check:
    """Whether it learned from recent carts, and from none older than the champion's."""
    age = (log_end - learned_until).total_seconds() / SECONDS_PER_DAY
    older = champion_until is not None and learned_until < champion_until
    passed = age <= limits.age_days and not older
    behind = f", while the champion knows carts up to {champion_until}" if older else ""
    return Check(
        "freshness",
        passed,
        age,
        limits.age_days,
        f"it learned from carts up to {learned_until}, {age:.1f} days before the log's end{behind}",
    )
