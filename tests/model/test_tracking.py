import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from cartwise.errors import OutputError
from cartwise.model.bundle import BOOSTER, Bundle
from cartwise.model.lineage import code_version, training_digest
from cartwise.model.mlflow_store import Tracking, opened, require_reachable
from cartwise.model.report.plots import PLOTS
from cartwise.model.tracking import TrackedRun, track
from cartwise.model.usage import Sample, measured
from tests.commands import without_settings
from tests.model.conftest import Outcome

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its libraries


@dataclass(frozen=True)
class Tracked:
    folder: Path
    run: TrackedRun
    usage: list[Sample]


@pytest.fixture(scope="module")
def tracked(outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    folder = tmp_path_factory.mktemp("tracking") / "mlflow"
    with measured() as usage:
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        patch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
        place, training = Tracking(folder=folder), outcome.world.training
        run = track(outcome.model, place, outcome.evaluation, training, usage)
        assert os.environ["MLFLOW_TRACKING_URI"] == "http://elsewhere"
        assert not list(Path.cwd().iterdir())
    return Tracked(folder, run, usage)


def stored_run(tracked: Tracked):
    from mlflow import MlflowClient  # noqa: PLC0415 - slow to import

    return MlflowClient(tracked.run.tracking_uri).get_run(tracked.run.run_id)


def test_a_run_holds_parameters_metrics_and_lineage(tracked: Tracked, outcome: Outcome) -> None:
    run, bundle = stored_run(tracked), Bundle.load(outcome.model)
    assert run.info.status == "FINISHED"
    assert run.data.params["boosting.depth"] == str(bundle.metrics["boosting.depth"])
    assert run.data.params["seeding.seed"] == "7"
    assert run.data.params["horizon_seconds"] == "86400"
    assert run.data.metrics["auc"] == outcome.evaluation.metrics["auc"]
    assert run.data.metrics["carts_test"] == 600
    assert run.data.tags["data_version"] == "beef" * 4
    assert run.data.tags["code_version"] == code_version()
    assert run.data.tags["model_version"] == bundle.version
    assert run.data.tags["feature_fingerprint"] == bundle.spec.fingerprint
    assert run.data.tags["training_set"] == training_digest(outcome.world.training)


def test_a_run_names_the_parts_that_it_was_made_of(tracked: Tracked, outcome: Outcome) -> None:
    inputs = {one.dataset.name: one.dataset for one in stored_run(tracked).inputs.dataset_inputs}
    assert set(inputs) == {"train", "validation", "calibration", "test"}
    assert inputs["train"].digest == training_digest(outcome.world.training)
    assert str(outcome.world.training / "train") in inputs["train"].source
    for one in stored_run(tracked).inputs.dataset_inputs:
        assert {tag.key: tag.value for tag in one.tags}["data_version"] == "beef" * 4


def test_a_run_tells_what_its_training_took_of_the_machine(tracked: Tracked) -> None:
    from mlflow import MlflowClient  # noqa: PLC0415 - slow to import

    history = MlflowClient(tracked.run.tracking_uri).get_metric_history(
        tracked.run.run_id, "system/process_memory_megabytes"
    )
    assert [(one.step, one.timestamp, one.value) for one in history] == [
        (step, sample.unix_milliseconds, sample.used["system/process_memory_megabytes"])
        for step, sample in enumerate(tracked.usage)
    ]
    assert history


def test_report_and_plots_are_artifacts(tracked: Tracked) -> None:
    names = {file.name for file in (tracked.folder / "artifacts").rglob("*") if file.is_file()}
    assert {"report.html", *(f"{plot}.svg" for plot in PLOTS)} < names


def test_nothing_tracked_is_pickled(tracked: Tracked) -> None:
    files = [file for file in tracked.folder.rglob("*") if file.is_file()]
    assert not [file for file in files if file.suffix in {".pkl", ".pickle", ".joblib", ".dill"}]
    assert "cloudpickle" not in "".join(
        file.read_text() for file in files if file.name in {"MLmodel", "requirements.txt"}
    )


def test_any_mlflow_user_can_load_the_model(
    tracked: Tracked, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow  # noqa: PLC0415 - slow to import

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracked.run.tracking_uri)
    booster = mlflow.xgboost.load_model(tracked.run.model_uri)
    assert isinstance(booster, xgb.Booster)
    bundle = Bundle.load(outcome.model)
    vectors = np.random.default_rng(1).normal(size=(50, 12)).astype(np.float32)
    margin = booster.inplace_predict(vectors, predict_type="margin")
    assert np.abs(margin - bundle.margin(vectors)).max() <= 1e-5
    inputs = mlflow.models.get_model_info(tracked.run.model_uri).signature.inputs
    assert tuple(inputs.input_names()) == bundle.spec.feature_names


def test_the_models_metrics_are_those_of_its_run(tracked: Tracked) -> None:
    import mlflow  # noqa: PLC0415 - slow to import

    client = mlflow.MlflowClient(tracked.run.tracking_uri)
    model = client.get_logged_model(tracked.run.model_uri.removeprefix("models:/"))
    metrics = {metric.key: metric.value for metric in model.metrics}
    of_run = stored_run(tracked).data.metrics
    assert metrics == {name: value for name, value in of_run.items() if "system/" not in name}


def test_the_whole_bundle_lies_beside_the_model(tracked: Tracked, outcome: Outcome) -> None:
    (extra,) = tracked.folder.rglob("extra_files")
    assert Bundle.load(extra).files == Bundle.load(outcome.model).files


def test_telemetry_is_off(tracked: Tracked) -> None:
    assert tracked.run.run_id
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_second_run_joins_the_first(tracked: Tracked, outcome: Outcome) -> None:
    second = track(outcome.model, Tracking(folder=tracked.folder), outcome.evaluation)
    assert second.tracking_uri == tracked.run.tracking_uri
    assert second.run_id != tracked.run.run_id


def test_a_place_that_takes_no_runs_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    away = r"'http://127\.0\.0\.1:9' could not be asked.*\(Connection refused\).*--no-track"
    with pytest.raises(OutputError, match=away):
        require_reachable(Tracking("http://127.0.0.1:9"))
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file' is no folder .*--no-track"):
        require_reachable(Tracking(folder=tmp_path / "file" / "mlruns"))
    require_reachable(Tracking(folder=tmp_path / "new" / "mlruns"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_feast_is_not_loaded_to_ask_a_server() -> None:
    program = (
        "import sys\n"
        "from cartwise.errors import OutputError\n"
        "from cartwise.model.mlflow_store import Tracking, require_reachable\n"
        "try:\n"
        "    require_reachable(Tracking('http://127.0.0.1:9'))\n"
        "except OutputError:\n"
        "    print('feast' in sys.modules)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"


def test_a_server_that_does_not_answer_is_named_and_the_bundle_stays(
    outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    model = Path(shutil.copytree(outcome.model, tmp_path / "model"))
    uri = "http://127.0.0.1:9"
    with pytest.raises(OutputError, match=f"'{uri}'.*is whole.*MLFLOW_TRACKING_URI"):
        track(model, Tracking(uri, tmp_path / "mlflow"), outcome.evaluation)
    assert Bundle.load(model).files[BOOSTER] == Bundle.load(outcome.model).files[BOOSTER]
    assert not (tmp_path / "mlflow").exists()


def test_a_folder_that_cannot_be_written_is_named(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/mlflow"):
        track(outcome.model, Tracking(folder=tmp_path / "file" / "mlflow"), outcome.evaluation)


def test_an_environment_without_pip_is_nothing_to_warn_of(mlruns: Path) -> None:
    with opened(Tracking(folder=mlruns), OutputError, "{reason}"):
        assert not logging.getLogger("mlflow.utils.environment").isEnabledFor(logging.WARNING)
        assert logging.getLogger("mlflow").isEnabledFor(logging.WARNING)


def told_of(error: Exception, place: Path) -> str:
    tracking = Tracking(folder=place)
    with pytest.raises(OutputError) as told, opened(tracking, OutputError, "{reason}"):
        raise error
    return str(told.value)


def test_errors_that_cause_each_other_are_told(mlruns: Path) -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert told_of(one, mlruns) == "one"


def test_what_an_error_hides_is_not_told(mlruns: Path) -> None:
    error = RuntimeError("said")
    error.__context__ = OSError(5, "hidden")
    assert told_of(error, mlruns) == "hidden"
    error.__suppress_context__ = True
    assert told_of(error, mlruns) == "said"


def test_first_runs_at_once_make_one_store(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.model.racing"],
            cwd=tmp_path,
            env={**without_settings(), "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [racer.stdout and racer.stdout.readline() for racer in racers] == ["ready\n"] * 3
    for racer in racers:
        assert racer.stdin
        racer.stdin.close()
    assert [racer.wait() for racer in racers] == [0, 0, 0]
    assert len({racer.stdout and racer.stdout.read() for racer in racers}) == 1
