import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cartwise.model import baselines
from cartwise.model.baselines import NAMES, Baselines, Rates, Regression
from cartwise.model.examples import TrainingSet
from cartwise.model.manifest import LEARNED_FROM
from tests.model.worlds import read_part, write_world


def test_a_rate_is_pulled_towards_the_base_rate_by_20_carts() -> None:
    carts = pl.DataFrame({"user_id": [1] * 5 + [2], "label": [1, 1, 1, 1, 0, 0]})
    rates = Rates.fit(carts, "user_id", base_rate=0.25)
    score = rates.score(pl.DataFrame({"user_id": [2, 1, 9, None]}))
    assert score.tolist() == pytest.approx([5 / 21, (4 + 5) / 25, 0.25, 0.25])


def test_baselines_never_open_the_test_part(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=600).training
    carts = read_part(training, "test")
    shutil.rmtree(training / "test")
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


def test_a_regression_learns_from_carts_all_over_where_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "_REGRESSION_CARTS", 100)
    data = TrainingSet.open(write_world(tmp_path, carts=600).training)
    known = pl.concat(read_part(data.path, part) for part in LEARNED_FROM)
    vectors, _ = baselines._sample(data, LEARNED_FROM)
    assert len(vectors) == 100
    whole = [vector.tobytes() for vector in data.vectors(known)]
    places = [whole.index(vector.tobytes()) for vector in vectors]
    assert np.diff(places).max() <= -(-known.height // 100)
    assert places[-1] >= known.height - known.height // 100
