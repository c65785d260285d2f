import shutil
from pathlib import Path

import polars as pl
import pytest

from cartwise.model.baselines import NAMES, Baselines, Rates
from cartwise.model.examples import TrainingSet
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
