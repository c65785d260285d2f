"""Plots of the probabilities: whether they hold, where they lie, what a threshold is worth."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cartwise.model.findings import Reliability, ValueCurve
from cartwise.model.policy import Economics, Policy, what_if
from cartwise.model.report.drawing import (
    BAND,
    GRAY,
    GREEN,
    MODEL,
    MUTED,
    PURPLE,
    WARM,
    figure,
    legend_above,
    percent,
    percentages,
    to_svg,
)

Array = NDArray[np.float64]

_MOST_BINS: Final = 40
_FEWEST_BINS: Final = 8
_CARTS_PER_BIN: Final = 25
_COSTS: Final = 25
_DEAREST: Final = 3.0


def draw_reliability(reliability: Reliability) -> str:
    """Share bought over predicted probability, in bins of equal mass, with intervals."""
    observed, predicted = reliability.observed, reliability.predicted
    with figure() as (drawn, [axes]):
        top = min(1.0, 1.08 * float(np.nanmax([observed.high, observed.value, predicted])))
        axes.plot([0, top], [0, top], color=MUTED, lw=1, ls="--", label="as predicted")
        low, high = observed.low, observed.high
        axes.fill_between(
            predicted, low, high, color=MODEL, alpha=BAND, lw=0, label="95 % interval"
        )
        axes.plot(
            predicted, observed.value, "o-", color=MODEL, ms=4, label="observed", clip_on=False
        )
        percentages(axes, "predicted probability", "share really bought")
        axes.set(xlim=(0, top), ylim=(0, top))
        axes.legend(loc="upper left")
        return to_svg(drawn, "reliability")


def draw_probabilities(probability: Array, bought: Array) -> str:
    """The distribution of predicted probabilities of bought and of abandoned carts."""
    bins = np.clip(len(bought) // _CARTS_PER_BIN, _FEWEST_BINS, _MOST_BINS)
    edges = np.linspace(0.0, min(1.0, float(probability.max()) * 1.02), bins + 1)
    with figure() as (drawn, [axes]):
        for name, kept, color in (("abandoned", bought == 0, GRAY), ("bought", bought > 0, MODEL)):
            counts = np.histogram(probability[kept], edges)[0] / max(1, kept.sum())
            axes.stairs(counts, edges, fill=True, color=color, alpha=0.3)
            axes.stairs(counts, edges, color=color, lw=1.6, label=f"{name} ({kept.sum():,})")
        axes.set(xlabel="predicted probability", ylabel="share of the carts of each kind")
        axes.xaxis.set_major_formatter(percent)
        axes.yaxis.set_major_formatter(percent)
        legend_above(axes, columns=2)
        return to_svg(drawn, "probabilities")


def draw_value(curve: ValueCurve, metrics: Mapping[str, float]) -> str:
    """Money per 1,000 carts over the threshold, with the policy's threshold and value."""
    with figure() as (drawn, [axes]):
        low, high = curve.value.low, curve.value.high
        axes.fill_between(curve.thresholds, low, high, color=GREEN, alpha=BAND, lw=0)
        axes.plot(curve.thresholds, curve.value.value, color=GREEN, label="one threshold for all")
        axes.axhline(0.0, color=MUTED, lw=0.8)
        axes.axhline(
            metrics["expected_value"], color=MODEL, lw=1.3, ls="--", label="policy, by own price"
        )
        axes.axvline(
            metrics["threshold"], color=WARM, lw=1.3, ls=":", label="threshold, usual price"
        )
        axes.set(xlabel="nudge carts at or above this probability", ylabel="money per 1,000 carts")
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(percent)
        legend_above(axes, columns=2)
        return to_svg(drawn, "value")


def draw_what_if(probability: Array, price: Array, policy: Policy) -> str:
    """Money per 1,000 carts over the cost of a nudge, for three shares that a nudge wins over."""
    given = policy.economics
    price = policy.prices(price)
    costs = np.linspace(0.0, _DEAREST * (given.nudge_cost or 1.0), _COSTS)
    with figure() as (drawn, [axes]):
        for color, economics in zip((GREEN, MODEL, PURPLE), _alternatives(given), strict=True):
            dearer = (replace(economics, nudge_cost=float(cost)) for cost in costs)
            values = [what_if(probability, price, one, points=2).best_value for one in dearer]
            won = 1.0 - economics.bought_anyway_share
            axes.plot(costs, values, color=color, label=f"{percent(won)} won over")
        axes.axvline(given.nudge_cost, color=WARM, lw=1.3, ls=":", label="as assumed")
        axes.set(xlabel="what a nudge costs", ylabel="money per 1,000 carts", xlim=(0, costs[-1]))
        axes.set_ylim(bottom=0.0)
        legend_above(axes, columns=2)
        return to_svg(drawn, "what-if")


def _alternatives(given: Economics) -> list[Economics]:
    """Twice as many won over as assumed, as many, and half as many."""
    won = 1.0 - given.bought_anyway_share
    shares = (1.0 - min(1.0, 2.0 * won), given.bought_anyway_share, 1.0 - won / 2.0)
    return [replace(given, bought_anyway_share=share) for share in shares]
