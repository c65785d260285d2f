import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.model.baselines import NAMES, Baselines, Rates, Regression
from cartwise.model.examples import TrainingSet
from tests.model.worlds import read_part, write_world


def test_a_rate_is_pulled_towards_the_base_rate_by_20_carts() -> None:
    carts = pl.DataFrame({"user_id": [1] * 5 + [2], "label": [1, 1, 1, 1, 0, 0]})
    rates = Rates.fit(carts, "user_id", base_rate=0.25)
    score = rates.score(pl.DataFrame({"user_id": [2, 1, 9, None]}))
    assert score.tolist() == pytest.approx([5 / 21, (4 + 5) / 25, 0.25, 0.25])


def test_baselines_learn_from_the_train_part_alone(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=600).training
    carts = read_part(training, "test")
    for part in ("validation", "calibration", "test"):
        shutil.rmtree(training / part)
    data = TrainingSet.open(training)
    scores = Baselines.fit(data).score(carts, data.vectors(carts))
    assert tuple(scores) == NAMES
    for score in scores.values():
        assert score.shape == (carts.height,)
        assert ((score > 0.0) & (score < 1.0)).all()
    assert len(set(scores["base_rate"])) == 1


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


def test_regression_does_not_depend_on_units() -> None:
    random = np.random.default_rng(2)
    vectors = random.normal(size=(400, 2)).astype(np.float32)
    bought = (random.random(400) < 1 / (1 + np.exp(-vectors[:, 0]))) * 1.0
    scaled = vectors * np.array([1000.0, 0.001], np.float32)
    same = Regression.fit(vectors, bought).score(vectors)
    assert Regression.fit(scaled, bought).score(scaled).tolist() == pytest.approx(
        same.tolist(), abs=1e-4
    )
