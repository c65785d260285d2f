from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cartwise.model.policy import WITHOUT_PRICES
from cartwise.page.client import Client
from cartwise.page.model import _quality, what_if
from tests.serving.running import running
from tests.serving.worlds import cart_json, make_world, write_model

FEW: dict[str, Any] = {"small_sample": True, "carts_train": 7, "carts_test": 2, "auc": 1.0}


def test_of_a_model_measured_on_two_carts_no_figure_is_shown() -> None:
    told = _quality(FEW)
    assert "too few to say how good the model is: 7 to train and 2 to test" in told
    assert "AUC" not in told


@pytest.mark.parametrize("enough", [{"carts_test": 30}, {"small_sample": False}])
def test_of_a_model_measured_on_enough_carts_figures_are_shown(enough: dict[str, Any]) -> None:
    assert "AUC" in _quality(FEW | enough)


def test_figures_keep_their_last_digits() -> None:
    assert "0.7000" in _quality({**FEW, "small_sample": False, "auc": 0.7})


def test_of_few_carts_of_late_nobody_is_told_what_nudging_would_earn(tmp_path: Path) -> None:
    world = make_world(write_model(tmp_path / "model"))
    with running(world.app) as api, closing(Client(api, world.keys["all"])) as client:
        for user in range(29):
            client.score(cart_json(user_id=user), 0)
        told = what_if(client, 0.25, 1.0, 0.8)
        assert "Of 29 carts this cannot be told: it takes 30 at least." in told
        assert "threshold" in told
        assert "earned" not in told
        client.score(cart_json(user_id=30), 0)
        assert "earned per 1,000 carts" in what_if(client, 0.25, 1.0, 0.8)


def test_without_prices_nobody_is_told_what_nudging_would_earn(tmp_path: Path) -> None:
    world = make_world(write_model(tmp_path / "model", reference_price=0.0))
    with running(world.app) as api, closing(Client(api, world.keys["all"])) as client:
        for user in range(30):
            client.score(cart_json(user_id=user, price=0.0), 0)
        told = what_if(client, 0.25, 1.0, 0.8)
    assert WITHOUT_PRICES in told
    assert "threshold" not in told
    assert "earned" not in told
