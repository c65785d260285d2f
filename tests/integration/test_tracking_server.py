"""Runs on a tracking server: over HTTP, with a password, kept by PostgreSQL and S3."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest

from cartwise.model.bundle import Bundle
from cartwise.model.mlflow_store import EXPERIMENT
from tests.commands import Commands
from tests.integration.conftest import Bucket, address

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # of MLflow and its libraries
]


def runs_of(client: Any, bundle: Bundle) -> list[Any]:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return client.search_runs(
        [experiment.experiment_id], f"tags.model_version = '{bundle.version}'", max_results=1
    )


def test_a_run_is_read_back_from_the_server(
    cartwise: Commands, mlflow_uri: str, s3: Bucket
) -> None:
    import mlflow  # noqa: PLC0415 - slow to import

    cartwise("simulate", "--out", "raw", "--sessions", 3000, "--days", 5, "-q")
    told = cartwise("run", "raw", "--horizon", "4h", "--out", "out", "--track", "-q")
    assert told.code == 0, told.err
    bundle = Bundle.load(Path("out/model"))
    client = mlflow.MlflowClient(mlflow_uri)
    (run,) = runs_of(client, bundle)
    assert run.info.status == "FINISHED"
    assert run.data.params["horizon_seconds"] == "14400"
    assert run.data.metrics["auc"] == json.loads(Path("out/metrics.json").read_text())["auc"]

    (model,) = mlflow.search_logged_models([run.info.experiment_id], output_format="list",
        filter_string=f"source_run_id = '{run.info.run_id}'")  # fmt: skip
    of_the_model = {metric.key: metric.value for metric in model.metrics}
    assert of_the_model.items() <= run.data.metrics.items()
    of_the_machine = run.data.metrics.keys() - of_the_model.keys()
    assert {name.partition("/")[0] for name in of_the_machine} == {"system"}
    assert run.data.metrics["system/process_memory_megabytes"] > 50
    history = client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
    assert [one.step for one in history] == list(range(len(history)))
    assert {one.dataset.name for one in run.inputs.dataset_inputs} == {"train", "test"}
    assert model.model_id
    card = mlflow.models.get_model_info(model.model_uri)
    names = [column.name for column in card.signature.inputs]
    assert names == list(bundle.spec.feature_names)
    assert card.saved_input_example_info
    vectors = np.zeros((3, len(bundle.spec.feature_names)), np.float32)
    margins = mlflow.xgboost.load_model(model.model_uri).inplace_predict(
        vectors, predict_type="margin"
    )
    assert np.abs(margins - bundle.margin(vectors)).max() <= 1e-5

    kept = s3.client.list_objects_v2(Bucket="mlflow")["Contents"]
    assert any(f"/{run.info.run_id}/artifacts/report.html" in entry["Key"] for entry in kept)
    database = urlsplit(address("CARTWISE_POSTGRES_URL"))._replace(path="/mlflow").geturl()
    with psycopg.connect(database) as session:
        found = session.execute("select status from runs where run_uuid = %s", [run.info.run_id])
        assert found.fetchone() == ("FINISHED",)


def test_a_wrong_password_is_refused(mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow  # noqa: PLC0415 - slow to import

    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(mlflow.MlflowException, match="not authenticated"):
        mlflow.MlflowClient(mlflow_uri).get_experiment_by_name(EXPERIMENT)
