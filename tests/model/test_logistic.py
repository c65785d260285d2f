import numpy as np
import pytest

from cartwise.model.logistic import fit_logistic, probability_of


def test_probability_of_extreme_margins_is_finite_and_symmetric() -> None:
    margin = np.array([-1000.0, -2.0, 0.0, 2.0, 1000.0])
    probability = probability_of(margin)
    assert probability.tolist() == pytest.approx((1.0 - probability[::-1]).tolist())
    assert probability[[0, 2, 4]].tolist() == [0.0, 0.5, 1.0]


def test_fit_finds_the_weights_that_made_the_labels() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(40_000, 2))
    chance = probability_of(-1.0 + features @ np.array([0.8, -0.4]))
    bought = (random.random(40_000) < chance) * 1.0
    weights = fit_logistic(features, bought, ridge=1e-6)
    assert weights.tolist() == pytest.approx([-1.0, 0.8, -0.4], abs=0.05)
    fitted = probability_of(weights[0] + features @ weights[1:])
    assert fitted.mean() == pytest.approx(bought.mean(), abs=1e-6)


def test_ridge_keeps_separable_classes_finite() -> None:
    features = np.array([[-1.0], [-0.5], [0.5], [1.0]])
    weights = fit_logistic(features, np.array([0.0, 0.0, 1.0, 1.0]), ridge=0.1)
    assert np.isfinite(weights).all()
    assert 1.0 < weights[1] < 100.0


def test_columns_that_say_the_same_share_their_weight() -> None:
    random = np.random.default_rng(2)
    column = random.normal(size=500)
    bought = (random.random(500) < probability_of(column)) * 1.0
    _, first, second = fit_logistic(np.column_stack([column, column]), bought, ridge=1.0)
    assert first == pytest.approx(second)
