import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cartwise.model.measures import Bins, Ranking, log_losses, squared_errors

Array = NDArray[np.float64]
CARTS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=30
)
"""Score in sixths (so that ties abound), bought or not, and weight."""


def columns(carts: list[tuple[int, int, int]]) -> tuple[Array, Array, Array]:
    score, bought, weight = np.array(carts, dtype=np.float64).T
    return score / 6.0, bought, weight


def auc_of_pairs(score: Array, bought: Array, weight: Array) -> float:
    """The definition: over all pairs of a bought and an abandoned cart, ties count half."""
    won = total = 0.0
    for i in np.flatnonzero(bought == 1):
        for j in np.flatnonzero(bought == 0):
            pairs = weight[i] * weight[j]
            total += pairs
            won += pairs * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    return won / total if total else np.nan


def average_precision_of_thresholds(score: Array, bought: Array, weight: Array) -> float:
    """The definition: recall gained at each threshold times the precision there."""
    positives = weight @ bought
    if not positives:
        return np.nan
    found = recall = 0.0
    for threshold in sorted(set(score), reverse=True):
        taken = weight * (score >= threshold)
        precision = (taken @ bought) / taken.sum() if taken.sum() else 0.0
        found += ((taken @ bought) / positives - recall) * precision
        recall = (taken @ bought) / positives
    return found


def calibration_error_of_bins(bins: Bins, weight: Array) -> float:
    total = 0.0
    for place in set(bins.bin_of):
        members = bins.bin_of == place
        carts = weight[members]
        total += abs(carts @ bins.probability[members] - carts @ bins.bought[members])
    return total / weight.sum()


@given(CARTS)
def test_auc_is_the_share_of_pairs_in_the_right_order(carts: list[tuple[int, int, int]]) -> None:
    score, bought, weight = columns(carts)
    expected = auc_of_pairs(score, bought, weight)
    assert Ranking(score, bought).gains(weight).auc == pytest.approx(expected, nan_ok=True)


@given(CARTS)
def test_average_precision_equals_its_definition(carts: list[tuple[int, int, int]]) -> None:
    score, bought, weight = columns(carts)
    expected = average_precision_of_thresholds(score, bought, weight)
    found = Ranking(score, bought).gains(weight).average_precision
    assert found == pytest.approx(expected, nan_ok=True)


@given(CARTS, st.integers(1, 10))
def test_calibration_error_equals_its_definition(
    carts: list[tuple[int, int, int]], count: int
) -> None:
    probability, bought, _ = columns(carts)
    weight = np.ones(len(bought))
    bins = Bins.equal_mass(probability, bought, count)
    assert bins.count <= count
    assert bins.calibration_error(weight) == pytest.approx(calibration_error_of_bins(bins, weight))


@given(CARTS)
def test_a_weight_of_two_equals_the_cart_twice(carts: list[tuple[int, int, int]]) -> None:
    score, bought, weight = columns(carts)
    often = np.repeat(np.arange(len(score)), weight.astype(int))
    if len(often):
        weighted = Ranking(score, bought).gains(weight)
        repeated = Ranking(score[often], bought[often]).gains(np.ones(len(often)))
        assert weighted.auc == pytest.approx(repeated.auc, nan_ok=True)
        assert weighted.capture(0.2) == pytest.approx(repeated.capture(0.2), nan_ok=True)


@given(CARTS, st.randoms(use_true_random=False))
def test_the_order_of_carts_changes_nothing(carts: list[tuple[int, int, int]], random) -> None:
    shuffled = random.sample(carts, len(carts))
    found = []
    for score, bought, weight in (columns(carts), columns(shuffled)):
        gains = Ranking(score, bought).gains(weight)
        found.append([gains.auc, gains.average_precision, gains.capture(0.1)])
    assert found[0] == pytest.approx(found[1], nan_ok=True)


def test_capture_counts_part_of_the_cart_at_the_border() -> None:
    gains = Ranking(np.array([0.9, 0.8, 0.1, 0.2]), np.array([1.0, 0.0, 1.0, 0.0])).gains(
        np.ones(4)
    )
    assert [gains.capture(share) for share in (0.125, 0.25, 0.5, 0.75, 1.0)] == [
        0.25,
        0.5,
        0.5,
        0.5,
        1.0,
    ]


def test_carts_of_one_class_have_no_auc() -> None:
    gains = Ranking(np.array([0.1, 0.7]), np.zeros(2)).gains(np.ones(2))
    assert np.isnan([gains.auc, gains.average_precision, gains.capture(0.5)]).all()


def test_chance_explains_the_calibration_error_of_perfect_probabilities() -> None:
    random = np.random.default_rng(3)
    probability = random.random(2000)
    draws = [
        Bins.equal_mass(probability, (random.random(2000) < probability) * 1.0, 10)
        for _ in range(100)
    ]
    mean = np.mean([bins.calibration_error(np.ones(2000)) for bins in draws])
    assert draws[0].error_by_chance() == pytest.approx(mean, rel=0.1)


def test_losses_of_certain_and_wrong_probabilities_stay_finite() -> None:
    probability, bought = np.array([0.25, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    losses = log_losses(probability, bought)
    assert losses[0] == pytest.approx(np.log(4.0))
    assert 30 < losses[1] < 40
    assert losses[2] == 0.0
    assert squared_errors(probability, bought).tolist() == [0.5625, 1.0, 0.0]
