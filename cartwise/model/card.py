"""The model card: what the model is, for what, on which data, how good, and its limits."""

from collections.abc import Mapping
from typing import Any

from cartwise.duration import format_duration
from cartwise.model.baselines import NAMES as BASELINES
from cartwise.model.few_carts import can_be_told
from cartwise.model.manifest import Manifest
from cartwise.model.policy import WITHOUT_PRICES, Policy
from cartwise.model.summary import baseline_title, pays_sentence, sentences, with_interval

_HEADLINES = ("auc", "average_precision", "log_loss", "brier", "ece", "lift_10", "capture_10")


def model_card(manifest: Manifest, policy: Policy, metrics: Mapping[str, Any]) -> str:
    """The card in Markdown; before an evaluation it says that there was none."""
    blocks = [
        "# Model card: will a carted product be bought?",
        _purpose(manifest, metrics),
        _data(manifest),
        _quality(metrics),
        _decision(policy),
        _LIMITS,
    ]
    return "\n\n".join(blocks) + "\n"


def _purpose(manifest: Manifest, metrics: Mapping[str, Any]) -> str:
    where = "in the same session" if manifest.label_scope == "session" else "in any session"
    begun = ", begun at a logistic regression," if metrics.get("from_regression") else ""
    return (
        "## What it answers\n\n"
        f"The probability that a product just put into a cart is bought by the same user within "
        f"{format_duration(manifest.horizon_seconds)}, {where}. Gradient-boosted trees "
        f"(XGBoost){begun} on {len(manifest.feature_names)} features of the shop's event log up to "
        "and including the cart event; calibrated on carts that were not trained on."
    )


def _data(manifest: Manifest) -> str:
    rows = [
        f"| {name} | {part.carts:,} | {_share(part.positives, part.carts)} "
        f"| {part.first_cart} | {part.last_cart} |"
        for name, part in manifest.parts.items()
    ]
    return (
        "## Data\n\n"
        f"Events from {manifest.first_event} to {manifest.last_event}; data version "
        f"`{manifest.data_version}`, feature specification `{manifest.fingerprint}`.\n\n"
        "| part | carts | bought | first cart | last cart |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
    )


def _quality(metrics: Mapping[str, Any]) -> str:
    if "auc" not in metrics:
        return "## Quality\n\nNot evaluated yet."
    told = "\n".join(f"- {sentence}" for sentence in sentences(metrics))
    names = [name for name in _HEADLINES if can_be_told(metrics, name)]
    rows = [f"| {name} | {with_interval(metrics, name, 4)} |" for name in names]
    rivals = [
        f"| AUC of {baseline_title(name)} | {with_interval(metrics, f'baseline_{name}_auc', 4)} |"
        for name in BASELINES
    ]
    leads = [
        f"| lead over {baseline_title(name)} | {with_interval(metrics, f'lead_over_{name}', 4)} |"
        for name in BASELINES
    ]
    table = "| on the test carts | value (95 % interval) |\n|---|---|\n"
    return f"## Quality\n\n{told}\n\n{table}" + "\n".join(rows + rivals + leads)


def _decision(policy: Policy) -> str:
    return f"## Decision\n\n{policy_sentence(policy)}"


def policy_sentence(policy: Policy) -> str:
    """When a nudge pays, with the formula and its numbers."""
    if not policy.priced:
        return WITHOUT_PRICES
    cost, margin = policy.economics.nudge_cost, policy.economics.margin_share
    anyway = policy.economics.bought_anyway_share
    return (
        f"A nudge costs {cost:g}. Of those who buy, {100 * anyway:g} % would have bought anyway; "
        f"each of the others is worth {100 * margin:g} % of the price. So a nudge is worth "
        f"probability * {1 - anyway:g} * {margin:g} * price - {cost:g}, and "
        f"{pays_sentence(policy.threshold, policy.reference_price)}. "
        "The three numbers are assumptions until the shop has measured its own."
    )


_LIMITS = """## Limits

- The probability is that of a cart without a nudge, in a shop like the one it was trained on;
  whom a nudge would win over is not in it.
- Users and products without history are scored from what little is known: see the slices in the
  report.
- Prices, promotions and habits move: watch calibration on live outcomes and train again.
- Not for decisions about people beyond what they are shown in the shop."""


def _share(part: int, whole: int) -> str:
    return f"{part / whole * 100:.1f} %" if whole else "none"
