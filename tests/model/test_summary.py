import pytest

from cartwise.model.few_carts import small_sample_warning
from cartwise.model.summary import sentences, with_interval
from tests.model.conftest import Outcome


def test_an_interval_reads_as_value_and_ends() -> None:
    metrics = {"auc": 0.7123, "auc_low": 0.7, "auc_high": 0.72}
    assert with_interval(metrics, "auc") == "0.712 (0.700 to 0.720)"
    assert with_interval({"auc": 0.7, "auc_low": None, "auc_high": None}, "auc", 1) == (
        "0.7 (no interval)"
    )
    assert with_interval({"auc": None}, "auc") == "cannot be told"


@pytest.mark.parametrize(
    ("beats", "told"), [(True, "lies above that of every baseline"), (False, "overlaps that of")]
)
def test_the_closest_baseline_is_named(outcome: Outcome, beats: bool, told: str) -> None:  # noqa: FBT001
    metrics = {**outcome.evaluation.metrics, "beats_every_baseline": beats}
    metrics |= {"baseline_user_rate_auc": 0.6, "baseline_user_rate_auc_high": 0.99}
    (sentence,) = [line for line in sentences(metrics) if "baseline" in line]
    assert told in sentence
    assert "the user's past rate (AUC 0.600" in sentence


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
