import numpy as np
import pytest
from numpy.testing import assert_allclose

from cartwise.model.logistic import probability_of
from cartwise.model.regression import Regression


def test_regression_stands_missing_constant_and_huge_columns() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(500, 4)).astype(np.float32)
    bought = (random.random(500) < 1 / (1 + np.exp(-2 * vectors[:, 0]))) * 1.0
    vectors[:, 1] = np.nan
    vectors[:, 2] = 3.0
    vectors[::7, 0] = np.nan
    vectors[0, 3] = 1e30
    regression = Regression.fit(vectors, bought)
    score = regression.score(vectors)
    assert np.isfinite(score).all()
    assert score[vectors[:, 0] > 1].mean() > 0.7
    assert score[vectors[:, 0] < -1].mean() < 0.3


def test_regression_finds_what_only_a_missing_value_tells() -> None:
    random = np.random.default_rng(3)
    vectors = random.normal(size=(2000, 2)).astype(np.float32)
    vectors[random.random(2000) < 0.5, 0] = np.nan
    bought = np.isnan(vectors[:, 0]) * 1.0
    score = Regression.fit(vectors, bought).score(vectors)
    assert score[bought > 0].min() > 0.9
    assert score[bought == 0].max() < 0.1


def test_a_regression_knows_that_the_clock_goes_round() -> None:
    random = np.random.default_rng(5)
    hour = random.uniform(0.0, 24.0, size=4000)
    bought = ((hour >= 9.0) & (hour < 12.0)) * 1.0
    vectors = np.column_stack([random.normal(size=4000), hour]).astype(np.float32)
    score = Regression.fit(vectors, bought, ("log_price", "hour")).score(vectors)
    assert score[bought > 0].min() > 0.9
    assert score[bought == 0].max() < 0.1


def test_a_calibrated_regression_predicts_the_share_bought() -> None:
    random = np.random.default_rng(4)
    vectors = random.normal(size=(4000, 1)).astype(np.float32)
    often = (random.random(4000) < 1 / (1 + np.exp(-vectors[:, 0]))) * 1.0
    seldom = often * (random.random(4000) < 0.3)
    regression = Regression.fit(vectors, often)
    assert regression.calibrated(vectors, seldom).score(vectors).mean() == pytest.approx(
        seldom.mean(), abs=1e-3
    )


def test_regression_ranks_by_a_counter_of_any_size() -> None:
    random = np.random.default_rng(2)
    views = np.exp(random.normal(0.0, 3.0, size=(4000, 1)))
    bought = (random.random(4000) < 1 / (1 + np.exp(2.0 - np.log1p(views[:, 0])))) * 1.0
    score = Regression.fit(views.astype(np.float32), bought).score(views.astype(np.float32))
    assert score[np.argmax(views)] > 0.95
    assert score[np.argmin(views)] < 0.2


def test_what_features_contribute_adds_up_to_the_score() -> None:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(900, 4)).astype(np.float32)
    vectors[:, 3] = random.uniform(0, 24, 900)
    vectors[random.random((900, 4)) < [0.3, 0.3, 0.0, 0.0]] = np.nan
    bought = (random.random(900) < 0.4) * 1.0
    regression = Regression.fit(vectors, bought, ("a", "b", "c", "hour"))
    found = regression.contributions(vectors)
    assert found.shape == vectors.shape
    summed = probability_of(regression.intercept + found.sum(axis=1))
    assert_allclose(summed, regression.score(vectors), rtol=1e-9)
