import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xgboost as xgb

from cartwise.errors import InputError, NotEnoughData, OutputError
from cartwise.model import crossfit
from cartwise.model.boosting import Seeding
from cartwise.model.bundle import BOOSTER, CALIBRATION, METRICS, Bundle
from cartwise.model.calibration import Calibrator
from cartwise.model.policy import Economics
from cartwise.model.training import TrainingSettings, train
from tests.model.conftest import QUICK
from tests.model.worlds import (
    change_manifest,
    change_part,
    read_manifest,
    read_part,
    write_world,
)

TWO_THREADS = replace(QUICK, seeding=Seeding(threads=2))
TRAIN_AGAIN = """
import sys
from pathlib import Path
from cartwise.model.training import train
from tests.model.test_training import TWO_THREADS
train(Path(sys.argv[1]), Path(sys.argv[2]), TWO_THREADS)
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def at_even_odds(model: Path) -> float:
    """The calibrated probability of a margin of zero."""
    calibrator = Calibrator.from_json(json.loads((model / CALIBRATION).read_bytes()))
    return calibrator(np.zeros(1, np.float32))[0]


def depth(model: Path, rounds: int) -> int:
    """Of the deepest of the last trees: what is printed a tab further lies a step deeper."""
    booster = xgb.Booster(model_file=bytearray((model / BOOSTER).read_bytes()))
    trees = booster.get_dump()[-rounds:]
    return max(line.count("\t") for tree in trees for line in tree.splitlines())


def test_the_same_input_and_seed_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    train(training, tmp_path / "here", TWO_THREADS)
    subprocess.run(
        [sys.executable, "-c", TRAIN_AGAIN, training, tmp_path / "there"],
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_small_training_set_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=90, small=True).training
    first, second = (train(training, tmp_path / name).model for name in ("first", "second"))
    assert contents(first) == contents(second)


@pytest.mark.usefixtures("either_way")
def test_many_carts_and_few_give_the_same_bytes_twice(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    first, second = (train(training, tmp_path / name, QUICK).model for name in ("one", "two"))
    assert contents(first) == contents(second)


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    versions = {
        train(training, tmp_path / "model", replace(QUICK, seeding=Seeding(seed))).model_version
        for seed in (1, 2)
    }
    assert len(versions) == 2


def test_training_never_opens_the_test_part(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    with_test = train(training, tmp_path / "with", QUICK).model
    shutil.rmtree(training / "test")
    without_test = train(training, tmp_path / "without", QUICK).model
    assert contents(with_test) == contents(without_test)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(("part", "lower"), [("train", False), ("calibration", True)])
def test_calibration_follows_the_latest_carts(tmp_path: Path, part: str, lower: bool) -> None:  # noqa: FBT001
    training = write_world(tmp_path, carts=6000).training
    usual = at_even_odds(train(training, tmp_path / "usual", QUICK).model)
    carts = read_part(training, part)
    rarer = (pl.int_range(carts.height) >= 1800) | (pl.int_range(carts.height) % 2 == 0)
    change_part(training, part, carts.with_columns(label=(pl.col("label") * rarer).cast(pl.UInt8)))
    found = at_even_odds(train(training, tmp_path / "model", QUICK).model)
    assert (found < usual - 0.02) if lower else (found > usual + 0.02)


@pytest.mark.parametrize("part", ["train", "validation", "calibration"])
def test_the_model_learns_from_every_part_but_the_test(tmp_path: Path, part: str) -> None:
    training = write_world(tmp_path, carts=1500).training
    before = train(training, tmp_path / "before", QUICK).model
    random = np.random.default_rng(1)
    carts = read_part(training, part)
    mixed = carts.with_columns(label=pl.Series(random.permutation(carts["label"])))
    change_part(training, part, mixed)
    after = train(training, tmp_path / "after", QUICK).model
    assert contents(before)[BOOSTER] != contents(after)[BOOSTER]


def test_boosting_keeps_the_rounds_up_to_the_best_one(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    boosting = replace(QUICK.boosting, learning_rate=0.5, patience=60)
    patient = replace(QUICK, boosting=boosting)
    rounds = train(training, tmp_path / "patient", patient).metrics["rounds"]
    assert 1 <= rounds < 60
    shorter = replace(patient, boosting=replace(patient.boosting, rounds=rounds))
    train(training, tmp_path / "shorter", shorter)
    assert (
        contents(tmp_path / "patient")[CALIBRATION] == contents(tmp_path / "shorter")[CALIBRATION]
    )


def test_the_bundle_says_what_it_was_made_of(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=1500).training
    settings = replace(QUICK, economics=Economics(nudge_cost=3.0))
    result = train(training, tmp_path / "model", settings)
    bundle = Bundle.load(tmp_path / "model")
    assert bundle.version == result.model_version
    assert bundle.metrics == json.loads((tmp_path / "model" / METRICS).read_bytes())
    assert bundle.metrics["carts_train"] == 900
    assert bundle.metrics["data_version"] == "beef" * 4
    assert bundle.spec.fingerprint == "f00d" * 4
    assert bundle.spec.horizon_seconds == 86_400
    assert bundle.policy.economics.nudge_cost == 3.0
    assert bundle.policy.reference_price == read_part(training, "train")["price"].median()
    assert "Not evaluated yet" in (tmp_path / "model" / "MODEL_CARD.md").read_text()


@pytest.mark.usefixtures("either_way")
def test_only_the_loss_that_was_measured_is_told(tmp_path: Path) -> None:
    whole = train(write_world(tmp_path, carts=900).training, tmp_path / "whole", QUICK).metrics
    few = crossfit.CROSS_VALIDATED_BELOW > 900
    assert ("cross_validated_log_loss" in whole, "validation_log_loss" in whole) == (few, not few)
    small = write_world(tmp_path / "small", carts=90, small=True).training
    metrics = train(small, tmp_path / "model").metrics
    assert {name for name in metrics if name.endswith("_log_loss")} == set()


@pytest.mark.parametrize("carts", [7, 20, 100])
def test_a_small_training_set_is_enough(tmp_path: Path, carts: int) -> None:
    training = write_world(tmp_path, carts=carts, small=True).training
    result = train(training, tmp_path / "model")
    assert result.metrics["small_sample"] is True
    score = Bundle.load(tmp_path / "model").score(np.zeros((1, 12), np.float32))
    assert 0.05 < score[0] < 0.95


def test_one_bought_cart_and_one_session_are_enough(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=30, small=True).training
    part = read_part(training, "train")
    lone = part.with_columns(
        label=(pl.int_range(part.height) == 3).cast(pl.UInt8), user_session=pl.lit("only")
    )
    change_part(training, "train", lone)
    train(training, tmp_path / "model")
    score = Bundle.load(tmp_path / "model").score(np.zeros((1, 12), np.float32))
    assert 0.0 < score[0] < 0.5


@pytest.mark.parametrize(("label", "lacks"), [(0, "purchases"), (1, "carts left behind")])
def test_one_class_is_refused_with_its_numbers(tmp_path: Path, label: int, lacks: str) -> None:
    training = write_world(tmp_path, carts=300).training
    part = read_part(training, "train").with_columns(label=pl.lit(label, pl.UInt8))
    change_part(training, "train", part)
    told = f"holds 180 carts of which {180 * label} were bought: .* that holds {lacks}"
    with pytest.raises(NotEnoughData, match=told):
        train(training, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_manifest_without_train_part_is_refused(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=300).training
    change_manifest(training, parts={})
    with pytest.raises(InputError, match="no part 'train'"):
        train(training, tmp_path / "model")


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("kind", ["boosting", "small_sample"])
def test_a_bundle_tells_what_was_set_and_what_was_found(tmp_path: Path, kind: str) -> None:
    """Twins of the gate are trained with what was set, and find on their own."""
    training = write_world(tmp_path, carts=1500, small=kind == "small_sample").training
    boosting = replace(QUICK.boosting, depth=6, min_child_weight=1.0)
    settings = TrainingSettings(Seeding(5), economics=Economics(0.3), **{kind: boosting})
    metrics = train(training, tmp_path / "model", settings).metrics
    assert TrainingSettings.of(Bundle.load(tmp_path / "model").parameters()) == settings
    rounds = metrics.get("rounds_on_all", metrics["rounds"])
    assert metrics["depth"] == depth(tmp_path / "model", rounds)


def test_the_last_cart_is_told_whatever_time_zones_parts_are_in(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=300).training
    parts = read_manifest(training)["parts"]
    train_part = {**parts["train"], "last_cart": "2026-01-02T19:50:00+14:00"}
    change_manifest(training, parts={**parts, "train": train_part})
    metrics = train(training, tmp_path / "model", QUICK).metrics
    assert metrics["learned_until"] == parts["calibration"]["last_cart"]


def test_a_full_output_folder_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        train(tmp_path / "not even a training set", tmp_path / "out")


def test_a_folder_that_is_no_training_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        train(tmp_path / "nowhere", tmp_path / "model")
