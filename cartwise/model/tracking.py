"""Tracking: every run in MLflow with its parameters, metrics, plots, model, data and lineage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import xgboost as xgb

from cartwise.errors import OutputError
from cartwise.model import bundle as layout
from cartwise.model.bundle import Bundle
from cartwise.model.evaluation import Evaluation
from cartwise.model.examples import TrainingSet
from cartwise.model.lineage import lineage, training_digest
from cartwise.model.mlflow_store import TRACKING_URI, Tracking, experiment_id, opened
from cartwise.model.usage import Sample

EXTRA_FILES: Final = "extra_files"
"""Where the bundle lies within a logged model."""

_DATA_TAGS: Final = ("data_version", "dvc.", "git_commit")

_MOST_METRICS: Final = 1000
"""That MLflow takes in one request."""

_SENTENCE: Final = (
    "the run could not be tracked in MLflow at '{{uri}}' ({{reason}}); the bundle '{model}' is "
    f"whole: start the server and run it again, unset {TRACKING_URI} to track locally, or do not "
    "track (--no-track)"
)


@dataclass(frozen=True)
class TrackedRun:
    """Where a run was tracked: ``model_uri`` loads its model with any MLflow client."""

    tracking_uri: str
    run_id: str
    model_uri: str


def track(
    model: Path,
    place: Tracking,
    evaluation: Evaluation | None = None,
    training: Path | None = None,
    usage: Sequence[Sample] = (),
) -> TrackedRun:
    """Log a bundle as one run of the experiment ``cartwise``.

    An ``evaluation`` adds its report and plots, the ``training`` set's folder its data and digest,
    ``usage`` what the training took of the machine.
    Raises OutputError where MLflow cannot be reached or written: the bundle stays.
    """
    bundle = Bundle.load(model)
    with opened(place, OutputError, _SENTENCE.format(model=model)) as mlflow:
        experiment = experiment_id(mlflow, place)
        with mlflow.start_run(experiment_id=experiment, run_name=bundle.version) as run:
            _log(mlflow, bundle, training)
            if evaluation:
                _log_evaluation(mlflow, evaluation)
            logged = _log_model(bundle, model)
            # Last, and named as the model's too: what a run holds when its model is logged, MLflow
            # copies to the model by one request for every metric.
            mlflow.log_metrics(_numbers(bundle.metrics), model_id=logged.model_id)
            _log_usage(mlflow, run.info.run_id, usage)
    return TrackedRun(place.address, run.info.run_id, logged.model_uri)


def _log(mlflow: Any, bundle: Bundle, training: Path | None) -> None:
    mlflow.log_params(bundle.parameters())
    tags = lineage(bundle, training)
    mlflow.set_tags(tags)
    if training:
        versions = {name: tags[name] for name in tags if name.startswith(_DATA_TAGS)}
        for part, dataset in _datasets(mlflow, training).items():
            mlflow.log_input(dataset, context=part, tags=versions)


def _log_evaluation(mlflow: Any, evaluation: Evaluation) -> None:
    mlflow.log_artifact(str(evaluation.report))
    for name, svg in evaluation.plots.items():
        mlflow.log_text(svg, f"plots/{name}.svg")


def _log_usage(mlflow: Any, run_id: str, usage: Sequence[Sample]) -> None:
    rows = [
        mlflow.entities.Metric(name, value, sample.unix_milliseconds, step)
        for step, sample in enumerate(usage)
        for name, value in sample.used.items()
    ]
    for start in range(0, len(rows), _MOST_METRICS):
        mlflow.MlflowClient().log_batch(run_id, metrics=rows[start : start + _MOST_METRICS])


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(fact)
        for name, fact in metrics.items()
        if isinstance(fact, int | float) and "." not in name
    }


def _datasets(mlflow: Any, training: Path) -> dict[str, Any]:
    """Each part as MLflow describes data: name, digest and place, without the rows."""
    meta = import_module("mlflow.data.meta_dataset")
    digest = training_digest(training)
    names = TrainingSet.open(training).manifest.feature_names
    types = import_module("mlflow.types")
    schema = types.Schema([types.ColSpec("float", name) for name in names])
    return {
        part: meta.MetaDataset(
            mlflow.data.dataset_source_registry.resolve_dataset_source(
                (training / part).resolve().as_uri()
            ),
            name=part,
            digest=digest,
            schema=schema,
        )
        for part in TrainingSet.open(training).manifest.parts
    }


def _log_model(bundle: Bundle, model: Path) -> Any:
    """Log the booster in MLflow's xgboost flavour (log-odds are left to the bundle beside it)."""
    flavour = import_module("mlflow.xgboost")
    booster = xgb.Booster(model_file=bytearray(bundle.files[layout.BOOSTER]))
    return flavour.log_model(
        booster,
        name="model",
        signature=_signature(bundle),
        input_example=_example(bundle),
        # Named, so that MLflow does not start a process to find out.
        pip_requirements=[f"xgboost-cpu=={xgb.__version__}"],
        extra_files=[str(model / name) for name in (*layout.FILES, layout.CHECKSUMS)],
    )


def _signature(bundle: Bundle) -> Any:
    models, types = import_module("mlflow.models"), import_module("mlflow.types")
    inputs = [types.ColSpec("float", name) for name in bundle.spec.feature_names]
    return models.ModelSignature(types.Schema(inputs), types.Schema([types.ColSpec("float")]))


def _example(bundle: Bundle) -> Any:
    """One cart about which little is known: no real cart leaves the training set."""
    pandas = import_module("pandas")
    names = list(bundle.spec.feature_names)
    return pandas.DataFrame(np.zeros((1, len(names)), np.float32), columns=names)
