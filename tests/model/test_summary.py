from typing import Any

import pytest

from cartwise.model.baselines import NAMES as BASELINES
from cartwise.model.few_carts import small_sample_warning
from cartwise.model.summary import is_worse, sentences, verdict, with_interval
from tests.model.conftest import Outcome


def test_an_interval_reads_as_value_and_ends() -> None:
    metrics = {"auc": 0.7123, "auc_low": 0.7, "auc_high": 0.72}
    assert with_interval(metrics, "auc") == "0.712 (0.700 to 0.720)"
    assert with_interval({"auc": 0.7, "auc_low": None, "auc_high": None}, "auc", 1) == (
        "0.7 (no interval)"
    )
    assert with_interval({"auc": None}, "auc") == "cannot be told"


def leads(nearest: tuple[float, float, float], other: tuple[float, float, float]) -> dict[str, Any]:
    """Metrics of a model whose lead over the user's rate, and over all others, is such."""
    over = dict.fromkeys(BASELINES, other) | {"user_rate": nearest}
    metrics: dict[str, Any] = {"leads_every_baseline": min(nearest[1], other[1]) > 0}
    for name, lead in over.items():
        for end, value in zip(("", "_low", "_high"), lead, strict=True):
            metrics[f"lead_over_{name}{end}"] = value
            metrics[f"baseline_{name}_auc{end}"] = 0.7 - value
    return metrics


@pytest.mark.parametrize(
    ("nearest", "beats", "told"),
    [
        ((0.02, 0.01, 0.03), True, "better than every baseline, the nearest of which is {}: "),
        ((0.02, 0.01, 0.03), False, "the intervals of the two alone overlap"),
        ((0.02, -0.01, 0.04), False, "cannot be told whether it ranks carts better than {}: "),
        ((-0.05, -0.09, -0.01), False, "worse than {}: lead -0.050 (-0.090 to -0.010)"),
    ],
)
def test_the_verdict_rests_on_the_same_carts(
    nearest: tuple[float, float, float],
    beats: bool,  # noqa: FBT001
    told: str,
) -> None:
    metrics = leads(nearest, (0.1, 0.08, 0.2)) | {"beats_every_baseline": beats}
    rival = f"the user's past rate (AUC {0.7 - nearest[0]:.3f}"
    assert all(part in verdict(metrics) for part in told.split("{}"))
    assert rival in verdict(metrics)
    assert is_worse(metrics) == (nearest[2] < 0)


def test_one_baseline_that_ranks_better_is_enough() -> None:
    metrics = leads((-0.02, -0.03, -0.01), (0.0, -0.2, 0.2))
    assert "worse than the user's past rate" in verdict(metrics)


def test_only_a_small_sample_is_called_small(outcome: Outcome) -> None:
    metrics = dict(outcome.evaluation.metrics)
    assert small_sample_warning(metrics) == ""
    metrics["small_sample"] = True
    assert sentences(metrics)[0] == small_sample_warning(metrics) != ""


def test_what_cannot_be_told_is_left_out(outcome: Outcome) -> None:
    untold = {name: None for name in outcome.evaluation.metrics if "auc" in name or "cap" in name}
    lines = sentences({**outcome.evaluation.metrics, **untold, "ceiling_share": None})
    assert lines[0] == (
        "All 600 test carts ended the same way, so nothing can be said about how well the model "
        "ranks them."
    )
    assert not [line for line in lines if "None" in line or "nan" in line]
