"""What the metrics mean, in plain words: the top of the report, the card, the command line."""

import math
from collections.abc import Mapping
from typing import Any, Final

from cartwise.model.baselines import NAMES as BASELINES
from cartwise.model.bootstrap import Estimate
from cartwise.model.few_carts import small_sample_warning, too_few
from cartwise.model.policy import WITHOUT_PRICES

_NICE_NAMES: Final = {
    "base_rate": "the base rate",
    "user_rate": "the user's past rate",
    "product_rate": "the product's past rate",
    "category_rate": "the category's past rate",
    "logistic": "logistic regression",
}


def baseline_title(name: str) -> str:
    """A baseline's name as it reads in a sentence."""
    return _NICE_NAMES[name]


def with_interval(metrics: Mapping[str, Any], name: str, digits: int = 3) -> str:
    """A metric as ``0.712 (0.705 to 0.719)``, or that it cannot be told."""
    known = [metrics.get(f"{name}{end}") for end in ("", "_low", "_high")]
    value, low, high = (math.nan if number is None else number for number in known)
    return estimate_text(Estimate(value, low, high, math.nan), digits)


def estimate_text(estimate: Estimate, digits: int = 3) -> str:
    """An estimate as ``0.712 (0.705 to 0.719)``, or that it cannot be told."""
    if math.isnan(estimate.value):
        return "cannot be told"
    if math.isnan(estimate.low):
        return f"{estimate.value:,.{digits}f} (no interval)"
    low, high = (f"{end:,.{digits}f}" for end in (estimate.low, estimate.high))
    return f"{estimate.value:,.{digits}f} ({low} to {high})"


def sentences(metrics: Mapping[str, Any]) -> list[str]:
    """The evaluation in a few plain sentences, the most important first."""
    told = [small_sample_warning(metrics), _ranking(metrics), verdict(metrics), _ceiling(metrics)]
    told += [_calibration(metrics)]
    told += [] if too_few(metrics) else [_targeting(metrics), _money(metrics)]
    return [sentence for sentence in told if sentence]


def _ranking(metrics: Mapping[str, Any]) -> str:
    if metrics["auc"] is None:
        return (
            f"All {metrics['carts_test']} test carts ended the same way, so nothing can be said "
            "about how well the model ranks them."
        )
    return (
        f"Of a bought and an abandoned cart, the model gives the bought one the higher "
        f"probability in {metrics['auc'] * 100:.1f} of 100 cases: AUC "
        f"{with_interval(metrics, 'auc')} on {metrics['carts_test']:,} test carts."
    )


def verdict(metrics: Mapping[str, Any]) -> str:
    """Whether the model ranks better than the baselines, by differences on the same carts; empty
    where nothing ranks."""
    end = "high" if is_worse(metrics) else "low"
    leads = {name: metrics[f"lead_over_{name}_{end}"] for name in BASELINES}
    known = {name: lead for name, lead in leads.items() if lead is not None}
    if not known:
        return ""
    nearest = min(known, key=known.__getitem__)
    rival = f"{baseline_title(nearest)} (AUC {with_interval(metrics, f'baseline_{nearest}_auc')})"
    lead = f"lead {with_interval(metrics, f'lead_over_{nearest}')} on the same carts"
    if is_worse(metrics):
        return f"It ranks carts worse than {rival}: {lead}. Decide nothing by it."
    if not metrics["leads_every_baseline"]:
        return f"It cannot be told whether it ranks carts better than {rival}: {lead}."
    alone = "lie apart" if metrics["beats_every_baseline"] else "overlap"
    return (
        f"It ranks carts better than every baseline, the nearest of which is {rival}: {lead}; "
        f"the intervals of the two alone {alone}."
    )


def is_worse(metrics: Mapping[str, Any]) -> bool:
    """Whether some baseline ranks the same carts better, beyond chance."""
    ends = (metrics[f"lead_over_{name}_high"] for name in BASELINES)
    return any(end is not None and end < 0 for end in ends)


def _ceiling(metrics: Mapping[str, Any]) -> str:
    if metrics.get("ceiling_share") is None:
        return ""
    return (
        f"The true probabilities reach AUC {with_interval(metrics, 'ceiling_auc')}: "
        f"of what they have beyond chance, the model gets a share of "
        f"{with_interval(metrics, 'ceiling_share', 2)}."
    )


def _calibration(metrics: Mapping[str, Any]) -> str:
    return (
        f"Predicted {metrics['mean_probability'] * 100:.1f} % bought on average, observed "
        f"{metrics['base_rate'] * 100:.1f} %; expected calibration error "
        f"{with_interval(metrics, 'ece', 4)} over {metrics['ece_bins']} bins "
        f"(perfect probabilities would show {metrics['ece_by_chance']:.4f} by chance)."
    )


def _targeting(metrics: Mapping[str, Any]) -> str:
    if metrics["capture_10"] is None:
        return ""
    return (
        f"The tenth of carts with the highest probabilities holds "
        f"{metrics['capture_10'] * 100:.0f} % of all bought ones "
        f"({metrics['lift_10']:.1f} times as many as a random tenth)."
    )


def pays_sentence(threshold: float, price: float) -> str:
    """When a nudge pays: what follows "a nudge" in a sentence."""
    if threshold >= 1.0:
        return f"never pays at a price of {price:,.2f}"
    return f"pays above a probability of {threshold:.3g} at a price of {price:,.2f}"


def _money(metrics: Mapping[str, Any]) -> str:
    if not metrics["reference_price"]:
        return WITHOUT_PRICES
    return (
        f"With the policy's costs a nudge "
        f"{pays_sentence(metrics['threshold'], metrics['reference_price'])}; nudging by the policy "
        f"({metrics['nudged_share'] * 100:.0f} % of carts) is worth "
        f"{metrics['expected_value']:,.0f} per 1,000 carts, nudging everybody "
        f"{metrics['expected_value_everyone']:,.0f}."
    )
