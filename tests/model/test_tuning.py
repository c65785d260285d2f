import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from cartwise.errors import InputError, NotEnoughData
from cartwise.model import crossfit
from cartwise.model.boosting import Boosting, Seeding
from cartwise.model.mlflow_store import EXPERIMENT, Tracking
from cartwise.model.parameters import LIMITS, SPACE, Parameters, Range, read_parameters
from cartwise.model.training import TrainingSettings, train
from cartwise.model.tuning import Search, sqlite_database, tune
from tests.model.worlds import PLAIN, World, label_by, write_world

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow, Optuna and their libraries

START = Boosting(learning_rate=0.3, depth=2, rounds=30, patience=5)
FEW = Parameters(START, {"depth": Range(1, 3), "learning_rate": Range(0.05, 0.6, log=True)})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("tuning"), carts=1500)


def search(folder: Path, trials: int, jobs: int = 1) -> Search:
    return Search(FEW, Seeding(threads=1), trials, jobs, sqlite_database(folder))


def test_a_search_is_no_worse_than_its_start_and_stays_in_its_space(
    world: World, tmp_path: Path
) -> None:
    alone = tune(world.training, search(tmp_path / "one", 1))
    assert (alone.boosting, alone.completed) == (START, 1)
    found = tune(world.training, search(tmp_path / "more", 8))
    assert found.log_loss <= alone.log_loss
    assert found.completed + found.pruned == 8
    assert 1 <= found.boosting.depth <= 3
    assert 0.05 <= found.boosting.learning_rate <= 0.6
    assert replace(found.boosting, depth=2, shallowest=2, learning_rate=0.3) == START


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("space", [{"depth": Range(3, 5)}, {"l2": Range(20.0, 40.0)}, SPACE])
def test_tuning_never_ends_with_anything_worse(
    world: World, tmp_path: Path, space: dict[str, Range]
) -> None:
    """Trees of depth 2 are best here: without tuning, few carts are told by them."""
    training = shutil.copytree(world.training, tmp_path / "training")
    label_by(training, PLAIN[0] - PLAIN[1])
    settings = TrainingSettings(Seeding(threads=1), replace(START, depth=4))
    untuned = train(training, tmp_path / "untuned", settings).metrics
    parameters = Parameters(settings.boosting, space)
    found = tune(training, Search(parameters, settings.seeding, 2, 1, sqlite_database(tmp_path)))
    tuned = train(training, tmp_path / "tuned", replace(settings, boosting=found.boosting)).metrics
    assert tuned[found.name_of_loss] == found.log_loss <= untuned[found.name_of_loss]
    assert tuned["depth"] == found.boosting.depth


def test_a_depth_that_was_found_is_not_searched_for_again(world: World, tmp_path: Path) -> None:
    parameters = Parameters(replace(START, depth=1), {"depth": Range(3, 3)})
    found = tune(world.training, Search(parameters, Seeding(), 2, 1, sqlite_database(tmp_path)))
    assert found.boosting == replace(START, depth=3, shallowest=3)


def test_what_is_set_is_tried_again_where_its_trial_failed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossfit, "CROSS_VALIDATED_BELOW", 100)
    training = shutil.copytree(world.training, tmp_path / "training")
    (training / "validation").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError):
        tune(training, search(tmp_path, 1))
    (tmp_path / "elsewhere").rename(training / "validation")
    assert tune(training, search(tmp_path, 1)).boosting == START


def test_a_search_goes_on_where_it_was_cut_off(world: World, tmp_path: Path) -> None:
    first = tune(world.training, search(tmp_path, 3))
    assert first.completed + first.pruned == 3
    assert tune(world.training, search(tmp_path, 3)) == first
    more = tune(world.training, search(tmp_path, 5))
    assert more.completed + more.pruned == 5
    assert more.log_loss <= first.log_loss


def test_another_training_set_is_another_search(world: World, tmp_path: Path) -> None:
    tune(world.training, search(tmp_path / "db", 2))
    other = write_world(tmp_path / "other", carts=1500, seed=2).training
    assert tune(other, search(tmp_path / "db", 1)).completed == 1


def test_another_seed_is_another_search(world: World, tmp_path: Path) -> None:
    # Its folds are others, and so are the losses on them.
    tune(world.training, search(tmp_path, 2))
    other = tune(world.training, replace(search(tmp_path, 1), seeding=Seeding(8, threads=1)))
    assert other.completed == 1


def test_the_usual_space_written_to_a_file_is_the_same_search(world: World, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    space = {name: asdict(searched) for name, searched in reversed(SPACE.items())}
    file.write_text(yaml.safe_dump({"tuning": {"space": space}}, sort_keys=False))
    boosting = replace(START, rounds=20)
    usual, read = Parameters(boosting), Parameters(boosting, read_parameters(file).space)
    tune(world.training, replace(search(tmp_path, 2), parameters=usual))
    again = tune(world.training, replace(search(tmp_path, 1), parameters=read))
    assert again.completed + again.pruned == 2


def test_processes_share_a_search(world: World, tmp_path: Path) -> None:
    found = tune(world.training, search(tmp_path, 6, jobs=2))
    assert found.completed + found.pruned >= 6


def test_every_trial_is_a_run_nested_in_that_of_the_search(
    world: World, tmp_path: Path, mlruns: Path
) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - slow to import

    place = Tracking(folder=mlruns)
    found = tune(world.training, search(tmp_path, 3), place)
    client = MlflowClient(place.address)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    assert parents[0].data.metrics[found.name_of_loss] == found.log_loss
    trials = [run for run in runs if run not in parents]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parents[0].info.run_id}
    assert sorted(run.info.run_name for run in trials) == ["trial 0", "trial 1", "trial 2"]
    assert all("boosting.depth" in run.data.params for run in trials)


def test_a_small_training_set_cannot_be_tuned(tmp_path: Path) -> None:
    training = write_world(tmp_path, carts=90, small=True).training
    with pytest.raises(NotEnoughData, match="no validation part"):
        tune(training, search(tmp_path, 1))


def test_parameters_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        "boosting: {depth: 5}\nfeatures: {horizon: 24h}\n"
        "tuning: {space: {l2: {low: 1, high: 9, log: true}}}\n"
    )
    read = read_parameters(file)
    assert read.boosting == Boosting(depth=5)
    assert read.space == {"l2": Range(1.0, 9.0, log=True)}
    file.write_text("")
    assert read_parameters(file) == Parameters(Boosting(), SPACE)


@pytest.mark.parametrize(
    "text",
    [
        "boosting: {deepness: 5}",
        "tuning: {space: {deepness: {low: 1, high: 2}}}",
        "tuning: {space: {depth: {low: 3, high: 2}}}",
        "tuning: {space: {depth: 3}}",
        "boosting: {depth: many}",
        "boosting: {depth: 0}",
        "boosting: {shallowest: 0}",
        "boosting: {depth: 2.9}",
        "boosting: {rounds: .inf}",
        "boosting: {l2: .nan}",
        "boosting: {row_share: 9}",
        "tuning: {space: {depth: {low: 0, high: 3}}}",
        "tuning: {space: {depth: {low: 2.9, high: 3}}}",
        "tuning: {space: {row_share: {low: 0.5, high: 9}}}",
        "tuning: {space: {l2: {low: 0, high: 9, log: true}}}",
        "tuning: {space: {shallowest: {low: 1, high: 3}}}",
        "boosting: [",
    ],
)
def test_what_is_wrong_in_the_file_is_said(text: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml"):
        read_parameters(file)


def test_a_value_beyond_its_limits_is_told_with_them(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("tuning: {space: {depth: {low: 0, high: 3}}}")
    with pytest.raises(InputError, match=r"depth is 0, and has to be a whole number from 1 to 20"):
        read_parameters(file)


def test_every_default_lies_within_its_limits() -> None:
    for name, value in asdict(Boosting()).items():
        assert LIMITS[name].low <= value <= LIMITS[name].high
    for name, searched in SPACE.items():
        assert LIMITS[name].low <= searched.low < searched.high <= LIMITS[name].high


def test_training_does_not_wait_for_optuna() -> None:
    loaded = "import sys, cartwise.commands.model; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
