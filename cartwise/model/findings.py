"""What is measured on the test carts: every metric with its interval, and the plots' curves.

All statistics share the draws of one bootstrap, so the model and its baselines are compared on
the same carts in every draw.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cartwise.model.bootstrap import Estimate, Intervals, intervals
from cartwise.model.measures import Bins, Gains, Ranking, log_losses, squared_errors
from cartwise.model.policy import VALUE_CARTS, Policy
from cartwise.model.scored import ScoredCarts
from cartwise.model.slices import Slice, slice_carts

Array = NDArray[np.float64]
Panel = Mapping[str, float]

SHARES: Final = (0.01, 0.05, 0.10, 0.20)
"""Shares of carts for lift and capture, highest probabilities first."""

_CHANCE: Final = 0.5
_THRESHOLDS: Final = 100
_CARTS_PER_BIN: Final = 20
_FEWEST_BINS: Final = 4


@dataclass(frozen=True)
class Finesse:
    """How finely to measure: the bootstrap's draws and seed, bins of the calibration error."""

    draws: int
    seed: int
    bins: int


@dataclass(frozen=True)
class Reliability:
    """Bins of equal mass: mean probability (k,) and share bought with intervals (k,)."""

    predicted: Array
    observed: Intervals


@dataclass(frozen=True)
class ValueCurve:
    """Money per 1,000 carts if carts at or above each threshold are nudged: (k,)."""

    thresholds: Array
    value: Intervals


@dataclass(frozen=True)
class Findings:
    """Everything measured on the test carts."""

    estimates: Mapping[str, Estimate]
    facts: Mapping[str, Any]
    gains: Mapping[str, Gains]
    reliability: Reliability
    value: ValueCurve
    slices: Sequence[Slice]

    def metrics(self) -> dict[str, Any]:
        """Flat: every estimate as ``name``, ``name_low`` and ``name_high``; untold is None."""
        flat: dict[str, Any] = dict(self.facts)
        for name, estimate in self.estimates.items():
            flat[name] = _told(estimate.value)
            flat[f"{name}_low"] = _told(estimate.low)
            flat[f"{name}_high"] = _told(estimate.high)
        return flat


def _told(value: float) -> float | None:
    return None if np.isnan(value) else value


def measure(scored: ScoredCarts, policy: Policy, finesse: Finesse, truth: Array | None) -> Findings:
    """Measure everything; ``truth`` are the true probabilities (n,), NaN where not known."""
    rankings, bins = _rankings(scored), _bins(scored, finesse.bins)
    panel = _panel(scored, policy, rankings, bins, truth)
    thresholds = np.linspace(0.0, 1.0, _THRESHOLDS + 1)
    estimates, observed, value = intervals(
        [
            lambda weight: np.array(list(panel(weight).values())),
            lambda weight: bins.means(weight)[2],
            _value_by_threshold(scored, policy, thresholds),
        ],
        scored.users,
        draws=finesse.draws,
        seed=finesse.seed,
    )
    ones = np.ones(len(scored.users))
    named = _named([*panel(ones)], estimates, one_class=np.ptp(scored.bought) == 0)
    return Findings(
        estimates=named,
        facts=_facts(scored, policy, bins, named, truth),
        gains={name: ranking.gains(ones) for name, ranking in rankings.items()},
        reliability=Reliability(bins.means(ones)[1], observed),
        value=ValueCurve(thresholds, value),
        slices=slice_carts(scored.carts, draws=finesse.draws, seed=finesse.seed),
    )


def _bins(scored: ScoredCarts, wanted: int) -> Bins:
    affordable = max(_FEWEST_BINS, len(scored.users) // _CARTS_PER_BIN)
    return Bins.equal_mass(scored.probability, scored.bought, min(wanted, affordable))


def _panel(
    scored: ScoredCarts,
    policy: Policy,
    rankings: Mapping[str, Ranking],
    bins: Bins,
    truth: Array | None,
) -> Callable[[Array], Panel]:
    """Every metric by name, for any weights of the carts."""
    panels = [
        _quality(scored, rankings["model"], bins),
        *([_money(scored, policy)] if policy.priced else []),
        _against_baselines(scored, rankings),
        *([] if truth is None else [_against_truth(scored, truth)]),
    ]
    return lambda weight: {name: value for panel in panels for name, value in panel(weight).items()}


def _named(
    names: Sequence[str], estimates: Iterable[Estimate], *, one_class: bool
) -> dict[str, Estimate]:
    named = dict(zip(names, estimates, strict=True))
    named["ece"] = named["ece"].unbiased()
    if one_class:
        return {name: estimate.without_interval() for name, estimate in named.items()}
    return named


def _rankings(scored: ScoredCarts) -> dict[str, Ranking]:
    scores = {"model": scored.probability, **scored.baselines}
    return {name: Ranking(score, scored.bought) for name, score in scores.items()}


def _quality(scored: ScoredCarts, ranking: Ranking, bins: Bins) -> Callable[[Array], Panel]:
    losses = log_losses(scored.probability, scored.bought)
    errors = squared_errors(scored.probability, scored.bought)

    def panel(weight: Array) -> Panel:
        gains, total = ranking.gains(weight), weight.sum()
        captures = {f"{share * 100:.0f}": (share, gains.capture(share)) for share in SHARES}
        return {
            "auc": gains.auc,
            "average_precision": gains.average_precision,
            "log_loss": float(weight @ losses / total),
            "brier": float(weight @ errors / total),
            "ece": bins.calibration_error(weight),
            "base_rate": float(weight @ scored.bought / total),
            "mean_probability": float(weight @ scored.probability / total),
            **{f"lift_{percent}": found / share for percent, (share, found) in captures.items()},
            **{f"capture_{percent}": found for percent, (_, found) in captures.items()},
        }

    return panel


def _money(scored: ScoredCarts, policy: Policy) -> Callable[[Array], Panel]:
    """Money by the real outcome: a bought cart counts as bought, not as probable."""
    earned = policy.expected_value(scored.bought, scored.price) * VALUE_CARTS
    nudged = policy.pays(scored.probability, scored.price).astype(np.float64)

    def panel(weight: Array) -> Panel:
        total = weight.sum()
        return {
            "expected_value": float(weight @ (earned * nudged) / total),
            "expected_value_everyone": float(weight @ earned / total),
            "nudged_share": float(weight @ nudged / total),
        }

    return panel


def _against_baselines(
    scored: ScoredCarts, rankings: Mapping[str, Ranking]
) -> Callable[[Array], Panel]:
    losses = {name: log_losses(score, scored.bought) for name, score in scored.baselines.items()}

    def panel(weight: Array) -> Panel:
        total = weight.sum()
        ours = rankings["model"].gains(weight).auc
        theirs = {name: rankings[name].gains(weight).auc for name in losses}
        return {
            **{f"baseline_{name}_auc": auc for name, auc in theirs.items()},
            **{f"lead_over_{name}": ours - auc for name, auc in theirs.items()},
            **{
                f"baseline_{name}_log_loss": float(weight @ loss / total)
                for name, loss in losses.items()
            },
        }

    return panel


def _against_truth(scored: ScoredCarts, truth: Array) -> Callable[[Array], Panel]:
    """The ceiling: nothing ranks carts better than their true probabilities do."""
    known = (~np.isnan(truth)).astype(np.float64)
    best = Ranking(np.nan_to_num(truth), scored.bought)
    model = Ranking(scored.probability, scored.bought)

    def panel(weight: Array) -> Panel:
        ceiling = best.gains(weight * known).auc
        reached = model.gains(weight * known).auc
        share = (reached - _CHANCE) / (ceiling - _CHANCE) if ceiling != _CHANCE else np.nan
        return {"ceiling_auc": ceiling, "ceiling_share": share}

    return panel


def _value_by_threshold(
    scored: ScoredCarts, policy: Policy, thresholds: Array
) -> Callable[[Array], Array]:
    earned = policy.expected_value(scored.bought, scored.price) * VALUE_CARTS
    # A cart at or above threshold k is nudged at every threshold up to k.
    last = np.searchsorted(thresholds, scored.probability, side="right") - 1

    def statistic(weight: Array) -> Array:
        by_threshold = np.bincount(last, weight * earned, len(thresholds))
        return np.asarray(np.cumsum(by_threshold[::-1])[::-1] / weight.sum())

    return statistic


def _facts(
    scored: ScoredCarts,
    policy: Policy,
    bins: Bins,
    estimates: Mapping[str, Estimate],
    truth: Array | None,
) -> dict[str, Any]:
    rivals = [name for name in estimates if name.startswith("baseline_") and name.endswith("_auc")]
    highest = max(estimates[name].high for name in rivals)
    known = {} if truth is None else {"ceiling_carts": int((~np.isnan(truth)).sum())}
    return {
        "carts_test": scored.carts.height,
        "users_test": scored.carts["user_id"].n_unique(),
        "ece_bins": bins.count,
        "ece_by_chance": bins.error_by_chance(),
        "threshold": policy.threshold,
        "reference_price": policy.reference_price,
        "beats_every_baseline": bool(estimates["auc"].low > highest),
        "leads_every_baseline": all(
            estimate.low > 0 for name, estimate in estimates.items() if name.startswith("lead_over")
        ),
        **known,
    }
