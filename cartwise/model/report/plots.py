"""Every plot of the report: what it shows in words, and how it is drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cartwise.model.explanation import Contributions
from cartwise.model.few_carts import too_few
from cartwise.model.findings import Findings
from cartwise.model.manifest import Manifest
from cartwise.model.policy import Policy
from cartwise.model.report.comparisons import draw_rivals, draw_slices
from cartwise.model.report.days import draw_days
from cartwise.model.report.probabilities import (
    draw_probabilities,
    draw_reliability,
    draw_value,
    draw_what_if,
)
from cartwise.model.report.ranking import draw_gain, draw_precision_recall, draw_roc
from cartwise.model.report.reasons import draw_contributions
from cartwise.model.scored import ScoredCarts


@dataclass(frozen=True)
class Evidence:
    """All that the report shows."""

    manifest: Manifest
    metrics: Mapping[str, Any]
    findings: Findings
    contributions: Contributions
    scored: ScoredCarts
    policy: Policy


@dataclass(frozen=True)
class Plot:
    """A plot with what it shows in words, and how it is drawn."""

    title: str
    caption: str
    draw: Callable[[Evidence], str]
    possible: Callable[[Evidence], bool] = lambda _: True


def _both_classes(evidence: Evidence) -> bool:
    """Whether the test carts can be ranked at all."""
    return evidence.metrics["auc"] is not None


def _enough_carts(evidence: Evidence) -> bool:
    """Whether there are enough test carts for what lists of them, and decisions, are worth."""
    return not too_few(evidence.metrics)


def _money_can_be_told(evidence: Evidence) -> bool:
    return evidence.policy.priced and _enough_carts(evidence)


def _both_classes_and_enough_carts(evidence: Evidence) -> bool:
    return _both_classes(evidence) and _enough_carts(evidence)


def _something_contributes(evidence: Evidence) -> bool:
    """Few carts may have left the model nothing to learn but the base rate."""
    return bool(evidence.contributions.strongest(1))


PLOTS: Final[Mapping[str, Plot]] = {
    "roc": Plot(
        "Bought against abandoned",
        "The more a curve bends to the upper left, the better it tells bought carts from "
        "abandoned ones. The diagonal is chance.",
        lambda evidence: draw_roc(evidence.findings.gains),
        possible=_both_classes,
    ),
    "rivals": Plot(
        "Against simpler ways",
        "Bars are 95 % intervals, the shade is the model's: what it does not touch is clearly "
        "better or worse. AUC is better to the right, log loss to the left.",
        lambda evidence: draw_rivals(evidence.findings.estimates),
        possible=_both_classes,
    ),
    "precision-recall": Plot(
        "Finding bought carts",
        "To find more of the bought carts, more abandoned ones have to be taken along.",
        lambda evidence: draw_precision_recall(evidence.findings.gains),
        possible=_both_classes,
    ),
    "gain": Plot(
        "Gain and lift",
        "How many of all bought carts are among the first carts of the list. The numbers on the "
        "curve are the lift over a random list.",
        lambda evidence: draw_gain(evidence.findings.gains),
        possible=_both_classes_and_enough_carts,
    ),
    "reliability": Plot(
        "Said and done",
        "Of carts said to be bought in 3 of 10 cases, 3 of 10 should be bought: then the dots "
        "lie on the dashed line. Every dot stands for as many carts as any other.",
        lambda evidence: draw_reliability(evidence.findings.reliability),
    ),
    "probabilities": Plot(
        "Where the probabilities lie",
        "The further apart the two hills, the more the model knows.",
        lambda evidence: draw_probabilities(evidence.scored.probability, evidence.scored.bought),
    ),
    "value": Plot(
        "What a threshold is worth",
        "Money per 1,000 test carts by what really happened to them, with its 95 % interval. "
        "At the left everybody is nudged, at the right nobody.",
        lambda evidence: draw_value(evidence.findings.value, evidence.metrics),
        possible=_money_can_be_told,
    ),
    "what-if": Plot(
        "What if",
        "Money expected per 1,000 carts if just those are nudged for which it pays, should a nudge "
        "cost more or less, or win over twice or half as many as assumed.",
        lambda evidence: draw_what_if(
            evidence.scored.probability, evidence.scored.price, evidence.policy
        ),
        possible=_money_can_be_told,
    ),
    "slices": Plot(
        "By kind of cart",
        "Bars are 95 % intervals, and ticks what was predicted. A tick away from its dot is a kind "
        "of cart for which the probabilities are off.",
        lambda evidence: draw_slices(evidence.findings.slices),
    ),
    "contributions": Plot(
        "What moves a probability",
        "A dot is a cart: to the right the feature speaks for buying, to the left against it. "
        "Blue is a low value of the feature, red a high one, gray a missing one. In a feature with "
        "a time in brackets, an event counts half when it is so long ago.",
        lambda evidence: draw_contributions(evidence.contributions),
        possible=_something_contributes,
    ),
    "days": Plot(
        "Day by day",
        "Carts whose horizon touches a shaded span, or the end of the log, are censored: nobody "
        "knows whether they were bought.",
        lambda evidence: draw_days(evidence.manifest),
    ),
}


def draw_plots(evidence: Evidence) -> dict[str, str]:
    """Every plot that can be drawn, as SVG elements for the report's page, by name."""
    return {name: plot.draw(evidence) for name, plot in PLOTS.items() if plot.possible(evidence)}
