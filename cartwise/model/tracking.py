"""Tracking: every run in MLflow with its parameters, metrics, plots, model and lineage.

MLflow is imported here alone, and only when a run is tracked: that takes seconds.
"""

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final

import xgboost as xgb

from cartwise.disk import writable
from cartwise.errors import OutputError
from cartwise.model import bundle as layout
from cartwise.model.bundle import Bundle
from cartwise.model.evaluation import Evaluation
from cartwise.model.training import TrainingSettings

EXPERIMENT: Final = "cartwise"

_TRACKING_URI: Final = "MLFLOW_TRACKING_URI"

# Each may be set otherwise in the environment, but for telemetry.
_MANNERS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # The standard output belongs to the command line and its --json.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class TrackedRun:
    """Where a run was tracked: ``model_uri`` loads its model with any MLflow client."""

    tracking_uri: str
    run_id: str
    model_uri: str


def track(
    model: Path,
    evaluation: Evaluation,
    settings: TrainingSettings,
    *,
    folder: Path,
    uri: str | None = None,
) -> TrackedRun:
    """Log an evaluated bundle as one run of the experiment ``cartwise``.

    ``uri`` is a tracking server or store of MLflow's; None: a SQLite file and artifacts in
    ``folder``. Raises OutputError where it cannot be reached or written: the bundle stays.
    """
    bundle = Bundle.load(model)
    tracking_uri = uri or _local(folder)
    try:
        with warnings.catch_warnings():
            # MLflow's own, about what it and its libraries will change: nothing to do here.
            warnings.simplefilter("ignore")
            with _mlflow(tracking_uri) as mlflow:
                experiment = _experiment(mlflow, None if uri else folder)
                with mlflow.start_run(experiment_id=experiment, run_name=bundle.version) as run:
                    _log(mlflow, bundle, evaluation, settings)
                    logged = _log_model(bundle, model)
    except Exception as error:  # whatever a store, a server or the network makes MLflow raise
        reason = str(error).strip().partition("\n")[0]
        raise OutputError(
            f"the run could not be tracked in MLflow at '{tracking_uri}' ({reason}); the bundle "
            f"'{model}' is whole: start the server, or unset {_TRACKING_URI} to track locally"
        ) from error
    return TrackedRun(tracking_uri, run.info.run_id, logged.model_uri)


def _local(folder: Path) -> str:
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


@contextmanager
def _mlflow(tracking_uri: str) -> Iterator[Any]:
    """MLflow, imported without telemetry or chatter and pointed at its store for a while."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in _MANNERS.items():
        os.environ.setdefault(name, value)
    mlflow = import_module("mlflow")
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    given = os.environ.get(_TRACKING_URI)
    mlflow.set_tracking_uri(tracking_uri)
    try:
        yield mlflow
    finally:
        # MLflow writes the variable too: what the caller has set is put back.
        mlflow.set_tracking_uri(None)
        if given is not None:
            os.environ[_TRACKING_URI] = given


def _experiment(mlflow: Any, folder: Path | None) -> str:
    """The experiment's id; a local one keeps its artifacts in ``folder``, not where it runs."""
    known = mlflow.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        return str(known.experiment_id)
    artifacts = None if folder is None else (folder.resolve() / "artifacts").as_uri()
    return str(mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts))


def _log(mlflow: Any, bundle: Bundle, evaluation: Evaluation, settings: TrainingSettings) -> None:
    mlflow.log_params(_parameters(bundle, settings))
    mlflow.log_metrics(_numbers(evaluation.metrics))
    mlflow.set_tags(_lineage(bundle))
    mlflow.log_artifact(str(evaluation.report))
    for name, svg in evaluation.plots.items():
        mlflow.log_text(svg, f"plots/{name}.svg")


def _parameters(bundle: Bundle, settings: TrainingSettings) -> dict[str, Any]:
    groups = asdict(settings).items()
    flat = {f"{group}.{name}": value for group, row in groups for name, value in row.items()}
    horizon, scope = bundle.spec.horizon_seconds, bundle.spec.label_scope
    return flat | {"horizon_seconds": horizon, "label_scope": scope}


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(fact) for name, fact in metrics.items() if isinstance(fact, int | float)}


def _lineage(bundle: Bundle) -> dict[str, str]:
    return {
        "code_version": code_version(),
        "data_version": str(bundle.metrics["data_version"]),
        "feature_fingerprint": bundle.spec.fingerprint,
        "model_version": bundle.version,
    }


def _log_model(bundle: Bundle, model: Path) -> Any:
    """Log the booster in MLflow's xgboost flavour (log-odds are left to the bundle beside it)."""
    flavour = import_module("mlflow.xgboost")
    booster = xgb.Booster(model_file=bytearray(bundle.files[layout.BOOSTER]))
    return flavour.log_model(
        booster,
        name="model",
        signature=_signature(bundle),
        # Named, so that MLflow does not start a process to find out.
        pip_requirements=[f"xgboost-cpu=={xgb.__version__}"],
        extra_files=[str(model / name) for name in (*layout.FILES, layout.CHECKSUMS)],
    )


def _signature(bundle: Bundle) -> Any:
    models, types = import_module("mlflow.models"), import_module("mlflow.types")
    inputs = [types.ColSpec("float", name) for name in bundle.spec.feature_names]
    return models.ModelSignature(types.Schema(inputs), types.Schema([types.ColSpec("float")]))


def code_version() -> str:
    """The package's version and a hash of its source files: ``0.1.0+source.0123456789ab``."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return f"{metadata.version('cartwise')}+source.{digest.hexdigest()[:12]}"
