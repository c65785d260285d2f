"""A regression written as trees is the same regression, and a booster as any other."""

from typing import Any, Final

import numpy as np
import pytest
import xgboost as xgb
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from cartwise.model.boosting import Boosting, Seeding, margin, parameters
from cartwise.model.explanation import explain
from cartwise.model.head_start import regression_trees
from cartwise.model.onnx_export import to_onnx
from tests.model.test_onnx_export import onnx_margins

NAMES: Final = ("price", "views", "seldom", "hour", "constant", "unknown")
EXTREMES: Final = np.array([-np.inf, np.finfo(np.float32).min, -1.0, 0.0, 1e30, np.inf, np.nan])
GIVEN: Final[dict[str, Any]] = parameters(Boosting(learning_rate=0.2), Seeding(threads=1), 0.3)


def carts(count: int = 4000, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    vectors = np.empty((count, len(NAMES)), dtype=np.float32)
    vectors[:, 0] = random.normal(size=count)
    vectors[:, 1] = random.lognormal(1.0, 2.0, count)
    vectors[:, 2] = np.where(random.random(count) < 0.6, np.nan, random.integers(0, 3, count))
    vectors[:, 3] = random.uniform(0.0, 24.0, count)
    vectors[:, 4], vectors[:, 5] = 3.0, np.nan
    odds = 0.8 * vectors[:, 0] + 0.5 * np.log1p(vectors[:, 1]) - 2.0
    odds += np.isnan(vectors[:, 2]) + 0.5 * (vectors[:, 3] > 18)
    return vectors, (random.random(count) < 1.0 / (1.0 + np.exp(-odds))) * 1.0


def matrix(vectors: NDArray[np.float32], bought: NDArray[np.float64]) -> xgb.QuantileDMatrix:
    return xgb.QuantileDMatrix(vectors, bought, feature_names=list(NAMES), max_bin=64, nthread=1)


@pytest.fixture(scope="module")
def booster() -> xgb.Booster:
    vectors, bought = carts()
    return regression_trees(vectors, bought, matrix(vectors, bought), GIVEN)


def test_it_tells_what_adds_up(booster: xgb.Booster) -> None:
    vectors, bought = carts(seed=2)
    found = margin(booster, vectors)
    assert roc_auc_score(bought, found) > 0.75
    assert (1 / (1 + np.exp(-found))).mean() == pytest.approx(bought.mean(), abs=0.03)


def test_every_feature_adds_the_same_whatever_the_others_are(booster: xgb.Booster) -> None:
    vectors, _ = carts(300, seed=3)
    vectors[np.random.default_rng(4).random(vectors.shape) < 0.2] = np.nan
    start = margin(booster, vectors[:1])
    added = np.zeros(len(vectors))
    for feature in range(len(NAMES)):
        alone = np.repeat(vectors[:1], len(vectors), axis=0)
        alone[:, feature] = vectors[:, feature]
        added += margin(booster, alone) - start
    assert_allclose(margin(booster, vectors), start + added, atol=1e-5)


def test_a_gap_that_no_cart_had_is_as_good_as_a_usual_value(booster: xgb.Booster) -> None:
    usual = np.array([[0.0, np.e, 1.0, 12.0, 3.0, np.nan]], dtype=np.float32)
    gap = usual.copy()
    gap[0, 0] = np.nan
    assert margin(booster, gap) == pytest.approx(margin(booster, usual), abs=0.1)


def test_features_that_tell_nothing_have_no_tree(booster: xgb.Booster) -> None:
    assert set(booster.trees_to_dataframe()["Feature"]) == {*NAMES[:4], "Leaf"}


def test_onnx_equals_xgboost(booster: xgb.Booster) -> None:
    chosen = np.random.default_rng(5).choice(EXTREMES.astype(np.float32), (2000, len(NAMES)))
    assert_allclose(onnx_margins(to_onnx(booster), chosen), margin(booster, chosen), atol=1e-5)


def test_boosting_goes_on_from_the_margins_that_serve(booster: xgb.Booster) -> None:
    vectors, bought = carts()
    assert_allclose(
        booster.predict(matrix(vectors, bought), output_margin=True), margin(booster, vectors)
    )
    more = xgb.train(GIVEN, matrix(vectors, bought), 1, xgb_model=booster)
    assert more.num_boosted_rounds() == booster.num_boosted_rounds() + 1
    assert_allclose(
        margin(more[: booster.num_boosted_rounds()], vectors), margin(booster, vectors), atol=1e-6
    )


def test_contributions_add_up_also_where_no_cart_had_been(booster: xgb.Booster) -> None:
    vectors = np.vstack([carts(50, seed=6)[0], np.full((1, len(NAMES)), np.nan, np.float32)])
    found = explain(bytes(booster.save_raw("ubj")), NAMES, vectors, threads=1)
    assert_allclose(found.values.sum(axis=1) + found.base, margin(booster, vectors), atol=1e-4)


def test_where_nothing_tells_anything_the_base_rate_is_left() -> None:
    vectors = np.ones((500, len(NAMES)), dtype=np.float32)
    bought = (np.arange(500) % 5 == 0) * 1.0
    found = margin(regression_trees(vectors, bought, matrix(vectors, bought), GIVEN), vectors)
    assert 1 / (1 + np.exp(-found)) == pytest.approx(0.2, abs=1e-3)
