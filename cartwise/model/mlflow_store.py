"""MLflow as everything here reaches it: imported late, without telemetry, its errors translated.

MLflow is imported by this module alone, and only when it is used: that takes seconds.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from cartwise.disk import writable
from cartwise.errors import CartwiseError
from cartwise.masking import masked

EXPERIMENT: Final = "cartwise"
TRACKING_URI: Final = "MLFLOW_TRACKING_URI"

# Each may be set otherwise in the environment, but for telemetry.
_MANNERS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # The standard output belongs to the command line and its --json.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class Tracking:
    """Where runs and models are kept: a store or server of MLflow, or a SQLite file in a folder."""

    uri: str | None = None
    folder: Path = Path("mlruns")

    @property
    def address(self) -> str:
        """The address as MLflow takes it."""
        return self.uri or f"sqlite:///{self.folder.resolve() / 'mlflow.db'}"


@contextmanager
def opened(place: Tracking, refusal: type[CartwiseError], sentence: str) -> Iterator[Any]:
    """MLflow, pointed at ``place`` for a while.

    Whatever a store, a server or the network makes MLflow raise becomes a ``refusal`` that says
    ``sentence``, with ``{uri}`` and ``{reason}`` filled in and no password. The environment stays
    as it was.
    """
    if place.uri is None:
        with writable(place.folder):
            place.folder.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            # MLflow's own, about what it and its libraries will change: nothing to do here.
            warnings.simplefilter("ignore")
            with _pointed_at(place.address) as mlflow:
                yield mlflow
    except CartwiseError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise refusal(masked(sentence.format(uri=place.address, reason=reason))) from error


@contextmanager
def _pointed_at(address: str) -> Iterator[Any]:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in _MANNERS.items():
        os.environ.setdefault(name, value)
    mlflow = import_module("mlflow")
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    given = os.environ.get(TRACKING_URI)
    mlflow.set_tracking_uri(address)
    try:
        yield mlflow
    finally:
        # MLflow writes the variable too: what the caller has set is put back.
        mlflow.set_tracking_uri(None)
        if given is not None:
            os.environ[TRACKING_URI] = given


def experiment_id(mlflow: Any, place: Tracking) -> str:
    """The experiment's id; a local one keeps its artifacts in its folder, not where it runs."""
    known = mlflow.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        return str(known.experiment_id)
    artifacts = None if place.uri else (place.folder.resolve() / "artifacts").as_uri()
    return str(mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts))
