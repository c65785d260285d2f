import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from cartwise.errors import InputError
from cartwise.model import crossfit
from cartwise.model.boosting import Boosting, Seeding
from cartwise.model.columns import LABEL
from cartwise.model.crossfit import CrossFit, at_hand, cross_fit
from cartwise.model.examples import TrainingSet
from cartwise.model.manifest import LEARNED_FROM
from cartwise.model.training import train
from cartwise.progress import SILENT, Advance, Silent
from tests.model.conftest import QUICK
from tests.model.worlds import PLAIN, change_part, label_by, read_part, relabel, write_world


def fitted(training: Path, boosting: Boosting) -> CrossFit:
    return cross_fit(TrainingSet.open(training), boosting, Seeding(), SILENT)


def of_all(data: TrainingSet, column: str) -> np.ndarray:
    return pl.concat(data.columns(part, [column]) for part in LEARNED_FROM)[column].to_numpy()


def toss_coins(training: Path) -> None:
    relabel(training, lambda carts, random: random.integers(0, 2, carts.height))


@pytest.mark.usefixtures("either_way")
def test_margins_are_of_boosters_that_have_not_seen_the_cart(tmp_path: Path) -> None:
    """Boosters that know coin tosses by heart tell them only where they have seen them."""
    training = write_world(tmp_path, carts=1500).training
    toss_coins(training)
    by_heart = replace(QUICK.boosting, depth=8, min_child_weight=0.1, l2=0.1)
    found = fitted(training, by_heart)
    tossed = of_all(TrainingSet.open(training), LABEL)
    assert 0.4 < roc_auc_score(tossed, found.margins) < 0.6


@pytest.mark.usefixtures("either_way")
def test_margins_are_of_boosters_that_have_not_seen_the_user(tmp_path: Path) -> None:
    """Boosters that know users by heart tell only of those whom they have met."""
    training = write_world(tmp_path, carts=3000).training
    random = np.random.default_rng(1)
    coins, looks = random.integers(0, 2, 1001), random.normal(size=(1001, len(PLAIN)))
    for part in LEARNED_FROM:
        carts = read_part(training, part)
        user = carts["user_id"].to_numpy()
        label, traits = pl.Series("label", coins[user].astype(np.uint8)), looks[user].T
        told = (pl.Series(f"user_view_{number}d", of) for number, of in enumerate(traits))
        change_part(training, part, carts.with_columns(label, *told))
    by_heart = replace(QUICK.boosting, depth=8, min_child_weight=0.1, l2=0.1, column_share=1.0)
    found = fitted(training, by_heart)
    assert 0.4 < roc_auc_score(of_all(TrainingSet.open(training), LABEL), found.margins) < 0.6


@pytest.mark.usefixtures("either_way")
def test_margins_tell_what_can_be_told(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=3000).training
    found = fitted(training, QUICK.boosting)
    assert roc_auc_score(of_all(TrainingSet.open(training), LABEL), found.margins) > 0.7


@pytest.mark.usefixtures("either_way")
def test_boosting_of_many_carts_begins_at_a_regression(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=3000).training
    label_by(training, sum((0.5 * trait for trait in PLAIN), pl.lit(-0.5)))
    found = fitted(training, replace(QUICK.boosting, rounds=1, learning_rate=0.01, depth=1))
    ranks = roc_auc_score(of_all(TrainingSet.open(training), LABEL), found.margins)
    assert found.from_regression is (crossfit.CROSS_VALIDATED_BELOW == 100)
    assert (ranks > 0.7) is found.from_regression


def test_few_carts_are_read_once_and_many_never_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = TrainingSet.open(write_world(tmp_path, carts=900).training)
    few, found = at_hand(data), fitted(data.path, QUICK.boosting)
    monkeypatch.setattr(crossfit, "CROSS_VALIDATED_BELOW", 100)
    many = at_hand(data)
    monkeypatch.undo()
    shutil.rmtree(data.path)
    again = cross_fit(few, QUICK.boosting, Seeding(), SILENT)
    np.testing.assert_array_equal(again.margins, found.margins)
    with pytest.raises(InputError):
        of_all(many, LABEL)


class Listening(Silent):
    """A progress that remembers what tasks were called."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def task(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Advance]:
        self.names.append(name)
        return super().task(name, total, unit)


def test_every_booster_shows_its_progress_under_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossfit, "CROSS_VALIDATED_BELOW", 100)
    listening = Listening()
    train(write_world(tmp_path, carts=900).training, tmp_path / "model", QUICK, progress=listening)
    assert len(listening.names) == len(set(listening.names)) == 5


@pytest.mark.usefixtures("either_way")
def test_boosting_stops_when_nothing_is_gained(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=3000).training
    toss_coins(training)
    assert fitted(training, QUICK.boosting).rounds <= 10


@pytest.mark.usefixtures("either_way")
def test_rounds_grow_with_the_square_root_of_carts(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    change_part(training, "calibration", read_part(training, "calibration")[:75])
    found = fitted(training, QUICK.boosting)
    seen = 900 if crossfit.CROSS_VALIDATED_BELOW <= 1125 else 1125 * 3 / 4
    assert found.rounds > 8
    assert found.rounds_on_all == round(found.rounds * np.sqrt(1125 / seen))


def test_a_sum_of_traits_is_told_by_shallow_trees(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=3000).training
    label_by(training, PLAIN[0] - PLAIN[1])
    assert fitted(training, replace(QUICK.boosting, depth=6)).boosting.depth == 2
    from_four = replace(QUICK.boosting, depth=6, shallowest=4)
    assert fitted(training, from_four).boosting.depth == 4


def test_what_takes_depth_is_told_by_deeper_trees(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=6000).training
    label_by(training, 6 * pl.all_horizontal(trait > 0 for trait in PLAIN) - 3)
    boosting = replace(QUICK.boosting, depth=4, column_share=1.0)
    assert fitted(training, boosting).boosting.depth > 2


def test_trees_are_never_deeper_than_was_set(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    assert fitted(training, replace(QUICK.boosting, depth=1)).boosting.depth == 1


def test_many_carts_take_trees_as_deep_as_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = write_world(tmp_path, carts=1500).training
    label_by(training, PLAIN[0] - PLAIN[1])
    monkeypatch.setattr(crossfit, "CROSS_VALIDATED_BELOW", 100)
    assert fitted(training, replace(QUICK.boosting, depth=6)).boosting.depth == 6


def test_of_two_users_each_booster_has_seen_one(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    for part in LEARNED_FROM:
        user = pl.col("user_id") % 2
        change_part(training, part, read_part(training, part).with_columns(user))
    found = fitted(training, QUICK.boosting)
    assert found.rounds_on_all == round(found.rounds * np.sqrt(2))


def test_one_user_is_enough(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    for part in LEARNED_FROM:
        change_part(training, part, read_part(training, part).with_columns(user_id=pl.lit(5)))
    assert np.isfinite(fitted(training, QUICK.boosting).margins).all()
